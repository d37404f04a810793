//! What the reference says of Micro's messages, to hold ours against.

use std::collections::BTreeMap;

use micro_proto::services;
use micro_rpc::{EnumDescriptor, FieldDescriptor, FieldType, MessageDescriptor, MethodKind};
use serde::Deserialize;

use crate::messages;

/// By name (`rpc Auth.Token`, `enum Access`, `Token`), what stands behind it.
type Package = BTreeMap<String, String>;

/// `upstream.toml`.
#[derive(Debug, Deserialize)]
pub struct Upstream {
    /// Packages that are not ours, with the reason.
    pub not_served: BTreeMap<String, String>,
    /// Fields of later versions, by package and message.
    pub later: BTreeMap<String, Package>,
    /// By package.
    #[serde(flatten)]
    packages: BTreeMap<String, Package>,
}

/// Reads the table.
pub fn upstream() -> Upstream {
    toml::from_str(include_str!("../upstream.toml")).expect("the table is as described")
}

impl Upstream {
    /// The packages that are ours too.
    pub fn served(&self) -> impl Iterator<Item = (&str, &Package)> {
        let all = self.packages.iter().map(|(name, package)| (name.as_str(), package));
        // The error's message is a status detail (crates/rpc), no package of its own.
        all.filter(|(name, _)| !self.not_served.contains_key(*name) && *name != "errors")
    }
}

/// A method's kind as the reference writes it.
pub const fn kind(of: MethodKind) -> &'static str {
    match of {
        MethodKind::Unary => "unary",
        MethodKind::ServerStream => "server-stream",
        MethodKind::ClientStream => "client-stream",
        MethodKind::Bidi => "bidi",
    }
}

/// Our rpc of that name: `unary TokenRequest -> TokenResponse`.
pub fn rpc(package: &str, name: &str) -> Option<String> {
    let (handler, method) = name.split_once('.')?;
    let service = services().find(|s| s.package == package && s.name == handler)?;
    let method = service.method(method)?;
    let (request, response) = (method.request.short_name(), method.response.short_name());
    Some(format!("{} {request} -> {response}", kind(method.kind)))
}

/// Our message of that name.
pub fn message(package: &str, name: &str) -> Option<&'static MessageDescriptor> {
    let full = format!("{package}.{name}");
    let mut all = messages::all().into_iter().map(|t| t.descriptor);
    all.find(|d| d.name == full)
}

/// A message's fields as the reference writes them: `1 id: string`, in the order of their numbers.
pub fn fields(of: &MessageDescriptor) -> Vec<String> {
    let mut fields: Vec<_> = of.fields.iter().collect();
    fields.sort_by_key(|f| f.number);
    fields.into_iter().map(field).collect()
}

fn field(of: &FieldDescriptor) -> String {
    let list = if of.repeated { "[]" } else { "" };
    format!("{} {}: {list}{}", of.number, of.name, type_of(&of.kind))
}

/// `map<string,Field>`
fn type_of(kind: &FieldType) -> String {
    let plain = match kind {
        FieldType::Double => "double",
        FieldType::Float => "float",
        FieldType::Int32 => "int32",
        FieldType::Int64 => "int64",
        FieldType::Uint32 => "uint32",
        FieldType::Uint64 => "uint64",
        FieldType::Bool => "bool",
        FieldType::String => "string",
        FieldType::Bytes => "bytes",
        FieldType::Enum(words) => without_package(words.name),
        FieldType::Message(inner) => inner.short_name(),
        FieldType::Map(key, value) => return format!("map<{},{}>", type_of(key), type_of(value)),
    };
    plain.to_owned()
}

/// An enum's words: `UNKNOWN=0, GRANTED=1`.
pub fn words(of: &EnumDescriptor) -> String {
    let words = of.values.iter().map(|(word, number)| format!("{word}={number}"));
    words.collect::<Vec<_>>().join(", ")
}

/// Our enum of that name, wherever a field has it.
pub fn enumeration(package: &str, name: &str) -> Option<&'static EnumDescriptor> {
    let full = format!("{package}.{name}");
    let mut fields = messages::all().into_iter().flat_map(|t| t.descriptor.fields);
    fields.find_map(|field| match field.kind {
        FieldType::Enum(words) if words.name == full => Some(words),
        _ => None,
    })
}

/// The fields that the reference lists: another package's message is told by its own name.
pub fn listed(row: &str) -> Vec<String> {
    let fields = row.split("; ").filter(|field| !field.is_empty());
    fields
        .map(|field| match field.rsplit_once(": ") {
            Some((name, kind)) => {
                let list = if kind.starts_with("[]") { "[]" } else { "" };
                let kind = kind.trim_start_matches("[]");
                let kind = if kind.starts_with("map<") {
                    kind
                } else {
                    without_package(kind)
                };
                format!("{name}: {list}{kind}")
            }
            None => field.to_owned(),
        })
        .collect()
}

fn without_package(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}
