//! `Debug` of messages that hold secrets or addresses: their names stand there, their values do not.

use std::collections::BTreeMap;

use heck::ToSnakeCase;
use prost_types::{DescriptorProto, FileDescriptorSet};

/// Fields whose values never reach a log, by name, in any message.
const SECRET: [&str; 20] = [
    "access_token",
    "blob",
    "code",
    "data",
    "email",
    "env",
    "new_secret",
    "old_secret",
    "password",
    "payload",
    "paymentMethodID",
    "payment_method",
    "payment_token",
    "refresh_token",
    "secret",
    "secrets",
    "subscribe_url",
    "token",
    "url",
    "value",
];

/// The messages that need a `Debug` of their own.
pub fn messages(set: &FileDescriptorSet) -> Vec<String> {
    let of_file = |f: &prost_types::FileDescriptorProto| {
        let package = f.package().to_owned();
        holders(&f.message_type)
            .map(|m| format!(".{package}.{}", m.name()))
            .collect::<Vec<_>>()
    };
    set.file.iter().flat_map(of_file).collect()
}

/// Package name to their `Debug` impls.
pub fn code(set: &FileDescriptorSet) -> BTreeMap<String, String> {
    set.file
        .iter()
        .map(|f| (f.package().to_owned(), holders(&f.message_type).map(debug).collect()))
        .collect()
}

fn holders(messages: &[DescriptorProto]) -> impl Iterator<Item = &DescriptorProto> {
    messages.iter().filter(|m| m.field.iter().any(is_secret))
}

/// A message field called `token` is an object with a `Debug` of its own.
fn is_secret(field: &prost_types::FieldDescriptorProto) -> bool {
    let nested = field.r#type() == prost_types::field_descriptor_proto::Type::Message;
    SECRET.contains(&field.name()) && (!nested || field.name() == "secrets")
}

fn debug(message: &DescriptorProto) -> String {
    let name = message.name();
    let fields: String = message
        .field
        .iter()
        .map(
            |field| match (is_secret(field), field.name().to_snake_case().as_str()) {
                (true, snake) => format!(".field({snake:?}, &\"[redacted]\")"),
                (false, word @ ("type" | "try")) => format!(".field({word:?}, &self.r#{word})"),
                (false, snake) => format!(".field({snake:?}, &self.{snake})"),
            },
        )
        .collect();
    format!(
        "impl ::core::fmt::Debug for {name} {{
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {{
                f.debug_struct({name:?}){fields}.finish()
            }}
        }}"
    )
}
