//! What an rpc takes and gives, as Micro's registry describes it (reference/micro-wire §9.2).

use micro_proto::registry::{Endpoint, Value};
use micro_rpc::{FieldDescriptor, FieldType, MessageDescriptor, MethodDescriptor};

/// How deep a message is described.
const DEPTH: usize = 6;

/// The description of one rpc of a handler.
pub fn endpoint(handler: &str, method: &MethodDescriptor) -> Endpoint {
    let metadata = method
        .kind
        .streams_replies()
        .then(|| ("stream".to_owned(), "true".to_owned()));
    Endpoint {
        name: format!("{handler}.{}", method.name),
        request: Some(message(method.request)),
        response: Some(message(method.response)),
        metadata: metadata.into_iter().collect(),
    }
}

fn message(descriptor: &MessageDescriptor) -> Value {
    let name = descriptor.short_name();
    Value {
        name: name.into(),
        r#type: name.into(),
        values: fields(descriptor, DEPTH - 1),
    }
}

fn fields(descriptor: &MessageDescriptor, depth: usize) -> Vec<Value> {
    if depth == 0 {
        return Vec::new();
    }
    descriptor.fields.iter().map(|f| field(f, depth)).collect()
}

fn field(field: &FieldDescriptor, depth: usize) -> Value {
    let one = type_name(&field.kind);
    let (r#type, values) = match &field.kind {
        _ if field.repeated => (format!("[]{one}"), Vec::new()),
        FieldType::Message(inner) => (one, fields(inner, depth - 1)),
        _ => (one, Vec::new()),
    };
    Value {
        name: field.name.into(),
        r#type,
        values,
    }
}

fn type_name(kind: &FieldType) -> String {
    match kind {
        FieldType::Double => "float64".into(),
        FieldType::Float => "float32".into(),
        FieldType::Int32 | FieldType::Enum(_) => "int32".into(),
        FieldType::Int64 => "int64".into(),
        FieldType::Uint32 => "uint32".into(),
        FieldType::Uint64 => "uint64".into(),
        FieldType::Bool => "bool".into(),
        FieldType::String => "string".into(),
        FieldType::Bytes => "[]uint8".into(),
        FieldType::Message(inner) => inner.short_name().into(),
        FieldType::Map(key, value) => format!("map[{}]{}", type_name(key), type_name(value)),
    }
}

#[cfg(test)]
mod tests {
    use micro_rpc::ServiceDescriptor;

    use super::*;

    fn describe(package: &str, handler: &str, method: &str) -> Endpoint {
        let of_it = |s: &&&ServiceDescriptor| s.package == package && s.name == handler;
        let service = micro_proto::services().find(|s| of_it(&s)).expect("a service of ours");
        endpoint(handler, service.method(method).expect("a method of it"))
    }

    #[test]
    fn a_method_is_described_as_micro_describes_it() {
        let generate = describe("auth", "Auth", "Generate");
        let request = generate.request.expect("a request");
        assert_eq!(
            (request.name.as_str(), request.r#type.as_str()),
            ("GenerateRequest", "GenerateRequest")
        );
        let told: Vec<_> = request
            .values
            .iter()
            .map(|v| format!("{} {}", v.name, v.r#type))
            .collect();
        let expected = "id string, metadata map[string]string, scopes []string, secret string, type string, \
                        provider string, options Options, name string";
        assert_eq!(told.join(", "), expected);
        assert_eq!(request.values[6].values[0].name, "namespace");
        assert!(generate.metadata.is_empty());
    }

    #[test]
    fn a_message_that_holds_itself_is_described_to_a_depth() {
        let register = describe("registry", "Registry", "Watch");
        assert_eq!(register.metadata["stream"], "true");
        let list = describe("registry", "Registry", "Register").request.expect("a request");
        assert_eq!(
            list.values
                .iter()
                .find(|v| v.name == "nodes")
                .map(|v| v.r#type.as_str()),
            Some("[]Node")
        );
    }
}
