//! What a proto file says, at run time: for endpoint schemas, for wording errors, and for tables that must
//! have a row per rpc.

/// One service of a proto package.
#[derive(Debug)]
pub struct ServiceDescriptor {
    /// The registry name: first part of the path (`auth`).
    pub package: &'static str,
    /// The handler (`Accounts`).
    pub name: &'static str,
    /// Its methods, in the order of the file.
    pub methods: &'static [MethodDescriptor],
}

impl ServiceDescriptor {
    /// The method of that name.
    pub fn method(&self, name: &str) -> Option<&'static MethodDescriptor> {
        self.methods.iter().find(|m| m.name == name)
    }
}

/// One rpc.
#[derive(Debug)]
pub struct MethodDescriptor {
    /// `Token`
    pub name: &'static str,
    /// `/auth.Auth/Token`
    pub path: &'static str,
    /// `auth.Auth.Token`: Micro's id for this method's errors.
    pub id: &'static str,
    /// Who streams.
    pub kind: MethodKind,
    /// What is asked.
    pub request: &'static MessageDescriptor,
    /// What is answered.
    pub response: &'static MessageDescriptor,
}

/// Which sides of an rpc send many messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MethodKind {
    /// Neither.
    Unary,
    /// The server.
    ServerStream,
    /// The client.
    ClientStream,
    /// Both.
    Bidi,
}

impl MethodKind {
    /// Whether many messages may come back.
    pub const fn streams_replies(self) -> bool {
        matches!(self, Self::ServerStream | Self::Bidi)
    }
}

/// One message type.
#[derive(Debug)]
pub struct MessageDescriptor {
    /// With its package: `store.ReadOptions`.
    pub name: &'static str,
    /// Its fields, in the order of the file.
    pub fields: &'static [FieldDescriptor],
}

impl MessageDescriptor {
    /// Without its package: `ReadOptions`.
    pub fn short_name(&self) -> &'static str {
        self.name.rsplit('.').next().unwrap_or(self.name)
    }

    /// The field that JSON calls `name`, in either spelling.
    pub fn field(&self, name: &str) -> Option<&'static FieldDescriptor> {
        self.fields.iter().find(|f| f.name == name || f.json_name == name)
    }
}

/// One field.
#[derive(Debug)]
pub struct FieldDescriptor {
    /// As in the proto file.
    pub name: &'static str,
    /// In lowerCamelCase.
    pub json_name: &'static str,
    /// Its number.
    pub number: u32,
    /// A list of them.
    pub repeated: bool,
    /// What it holds.
    pub kind: FieldType,
}

/// What a field holds.
#[derive(Debug)]
#[expect(missing_docs, reason = "named as in the proto language")]
pub enum FieldType {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Bool,
    String,
    Bytes,
    Enum(&'static EnumDescriptor),
    Message(&'static MessageDescriptor),
    Map(&'static FieldType, &'static FieldType),
}

/// One enum type.
#[derive(Debug)]
pub struct EnumDescriptor {
    /// With its package: `auth.Access`.
    pub name: &'static str,
    /// Its words and numbers.
    pub values: &'static [(&'static str, i32)],
}
