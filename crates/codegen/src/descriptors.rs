//! Statics that describe each package at run time, and the `Message` impls that point at them.

use std::{collections::BTreeMap, fmt::Write};

use anyhow::{Context, Result, bail};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    MethodDescriptorProto, ServiceDescriptorProto,
    field_descriptor_proto::{Label, Type},
};

/// Package name to the code of its descriptors.
pub fn code(set: &FileDescriptorSet) -> Result<BTreeMap<String, String>> {
    set.file
        .iter()
        .map(|file| Ok((file.package().to_owned(), package(file)?)))
        .collect()
}

/// `BlobStore` as the name of a static.
pub fn constant(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_uppercase());
    }
    out
}

fn package(file: &FileDescriptorProto) -> Result<String> {
    let package = file.package();
    let services: String = file
        .service
        .iter()
        .map(|s| service_code(package, s))
        .collect::<Result<_>>()?;
    let mut types = String::new();
    let mut impls = String::new();
    for message in &file.message_type {
        let name = message.name();
        types += &message_code(package, message)?;
        write!(
            impls,
            "impl ::micro_rpc::Message for {name} {{
                const DESCRIPTOR: &'static ::micro_rpc::MessageDescriptor = &descriptor::message::{};
            }}",
            constant(name)
        )?;
    }
    for of in &file.enum_type {
        types += &enum_code(package, of)?;
    }
    let listed: String = file
        .service
        .iter()
        .map(|s| format!("&{},", constant(s.name())))
        .collect();
    Ok(format!(
        "{impls}
        /// What this package offers, at run time.
        pub mod descriptor {{
            /// Its services.
            pub static SERVICES: &[&::micro_rpc::ServiceDescriptor] = &[{listed}];
            {services}
            /// Its messages and enums.
            pub mod message {{
                {types}
            }}
        }}"
    ))
}

fn service_code(package: &str, service: &ServiceDescriptorProto) -> Result<String> {
    let name = service.name();
    let methods: String = service
        .method
        .iter()
        .map(|m| method_code(package, name, m))
        .collect::<Result<_>>()?;
    Ok(format!(
        "/// `{package}.{name}`
        pub static {}: ::micro_rpc::ServiceDescriptor = ::micro_rpc::ServiceDescriptor {{
            package: {package:?}, name: {name:?}, methods: &[{methods}],
        }};",
        constant(name)
    ))
}

fn method_code(package: &str, service: &str, method: &MethodDescriptorProto) -> Result<String> {
    let name = method.name();
    let kind = match (method.client_streaming(), method.server_streaming()) {
        (false, false) => "Unary",
        (false, true) => "ServerStream",
        (true, false) => "ClientStream",
        (true, true) => "Bidi",
    };
    Ok(format!(
        "::micro_rpc::MethodDescriptor {{
            name: {name:?}, path: \"/{package}.{service}/{name}\", id: \"{package}.{service}.{name}\",
            kind: ::micro_rpc::MethodKind::{kind}, request: &message::{}, response: &message::{},
        }},",
        local(package, method.input_type())?,
        local(package, method.output_type())?
    ))
}

fn message_code(package: &str, message: &DescriptorProto) -> Result<String> {
    let name = message.name();
    let fields: String = message
        .field
        .iter()
        .map(|f| field_code(package, message, f))
        .collect::<Result<_>>()?;
    Ok(format!(
        "pub static {}: ::micro_rpc::MessageDescriptor = ::micro_rpc::MessageDescriptor {{
            name: \"{package}.{name}\", fields: &[{fields}],
        }};",
        constant(name)
    ))
}

fn field_code(package: &str, of: &DescriptorProto, field: &FieldDescriptorProto) -> Result<String> {
    let entry = of
        .nested_type
        .iter()
        .find(|n| field.type_name().ends_with(&format!(".{}.{}", of.name(), n.name())));
    let kind = match entry {
        Some(entry) => {
            let part = |at: usize| field_type(package, entry.field.get(at).context("a map entry has two fields")?);
            format!("::micro_rpc::FieldType::Map(&{}, &{})", part(0)?, part(1)?)
        }
        None => field_type(package, field)?,
    };
    Ok(format!(
        "::micro_rpc::FieldDescriptor {{
            name: {:?}, json_name: {:?}, number: {}, repeated: {}, kind: {kind},
        }},",
        field.name(),
        field.json_name(),
        field.number(),
        entry.is_none() && field.label() == Label::Repeated
    ))
}

fn field_type(package: &str, field: &FieldDescriptorProto) -> Result<String> {
    let kind = match field.r#type() {
        Type::Double => "Double".into(),
        Type::Float => "Float".into(),
        Type::Int32 => "Int32".into(),
        Type::Int64 => "Int64".into(),
        Type::Uint32 => "Uint32".into(),
        Type::Uint64 => "Uint64".into(),
        Type::Bool => "Bool".into(),
        Type::String => "String".into(),
        Type::Bytes => "Bytes".into(),
        Type::Enum => format!("Enum(&{})", local(package, field.type_name())?),
        Type::Message => format!("Message(&{})", local(package, field.type_name())?),
        other => bail!("field {} has type {other:?}: not used on Micro's wire", field.name()),
    };
    Ok(format!("::micro_rpc::FieldType::{kind}"))
}

fn enum_code(package: &str, of: &EnumDescriptorProto) -> Result<String> {
    let name = of.name();
    let values: String = of
        .value
        .iter()
        .map(|v| format!("({:?}, {}),", v.name(), v.number()))
        .collect();
    Ok(format!(
        "pub static {}: ::micro_rpc::EnumDescriptor = ::micro_rpc::EnumDescriptor {{
            name: \"{package}.{name}\", values: &[{values}],
        }};",
        constant(name)
    ))
}

/// The static of a type of the same package.
fn local(package: &str, type_name: &str) -> Result<String> {
    let name = type_name
        .strip_prefix(&format!(".{package}."))
        .filter(|name| !name.contains('.'))
        .with_context(|| format!("{type_name} is not a top-level type of package {package}"))?;
    Ok(constant(name))
}
