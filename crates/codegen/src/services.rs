//! For each proto service: a trait, a server that answers its calls, a client that makes them.

use std::fmt::Write;

use prost_build::{Method, Service, ServiceGenerator};

use crate::descriptors::constant;

pub struct Generator;

impl ServiceGenerator for Generator {
    fn generate(&mut self, service: Service, buf: &mut String) {
        let code = [trait_code(&service), server_code(&service), client_code(&service)].concat();
        buf.push_str(&code);
    }
}

/// Request and response, as they stand in a signature.
fn types(method: &Method) -> (String, String) {
    let streaming = |of: &str, many| {
        if many {
            format!("::micro_rpc::Streaming<{of}>")
        } else {
            of.to_owned()
        }
    };
    (
        streaming(&method.input_type, method.client_streaming),
        streaming(&method.output_type, method.server_streaming),
    )
}

fn signature(method: &Method) -> String {
    let (request, response) = types(method);
    let argument = if method.client_streaming { "requests" } else { "request" };
    format!(
        "async fn {}(&self, caller: &::micro_tenancy::Caller, {argument}: {request}) \
         -> ::core::result::Result<{response}, ::micro_error::Error>",
        method.name
    )
}

fn docs(lines: &[String]) -> String {
    lines.iter().map(|l| format!("///{l}\n")).collect()
}

fn trait_code(service: &Service) -> String {
    let methods: String = service
        .methods
        .iter()
        .map(|m| format!("{}{};\n", docs(&m.comments.leading), signature(m)))
        .collect();
    format!(
        "{}#[::async_trait::async_trait]\npub trait {}: ::core::marker::Send + ::core::marker::Sync + 'static {{\n{methods}}}\n",
        docs(&service.comments.leading),
        service.name
    )
}

fn server_code(service: &Service) -> String {
    let name = &service.name;
    let mut arms = String::new();
    for Method {
        name,
        proto_name,
        client_streaming,
        server_streaming,
        ..
    } in &service.methods
    {
        let request = if *client_streaming {
            "call.payload.typed(codec)"
        } else {
            "call.payload.first(codec).await?"
        };
        let reply = if *server_streaming {
            "many(codec, reply)"
        } else {
            "one(codec, &reply)"
        };
        let _ = write!(
            arms,
            "{proto_name:?} => {{
                let request = {request};
                let reply = self.0.{name}(&call.caller, request).await?;
                Ok(::micro_rpc::Payload::{reply})
            }}"
        );
    }
    let descriptor = constant(name);
    format!(
        "/// Answers the calls of [`{name}`].
        pub struct {name}Server<T: ?Sized>(::std::sync::Arc<T>);
        impl<T: {name} + ?Sized> {name}Server<T> {{
            /// Answers with `handler`.
            pub fn new(handler: ::std::sync::Arc<T>) -> Self {{
                Self(handler)
            }}
        }}
        #[::async_trait::async_trait]
        impl<T: {name} + ?Sized> ::micro_rpc::Service for {name}Server<T> {{
            fn descriptor(&self) -> &'static ::micro_rpc::ServiceDescriptor {{
                &descriptor::{descriptor}
            }}
            async fn call(
                &self,
                call: ::micro_rpc::Call,
            ) -> ::core::result::Result<::micro_rpc::Payload, ::micro_rpc::Status> {{
                let codec = call.codec;
                match call.method.as_str() {{
                    {arms}
                    other => Err(::micro_rpc::Status::unknown_method(&descriptor::{descriptor}, other)),
                }}
            }}
        }}\n"
    )
}

fn client_code(service: &Service) -> String {
    let name = &service.name;
    let mut methods = String::new();
    for (at, method) in service.methods.iter().enumerate() {
        let (kind, argument) = match (method.client_streaming, method.server_streaming) {
            (false, false) => ("unary", "&request"),
            (false, true) => ("server_stream", "&request"),
            (true, false) => ("client_stream", "requests"),
            (true, true) => ("bidi", "requests"),
        };
        let _ = writeln!(
            methods,
            "{} {{ ::micro_rpc::client::{kind}(&self.0, caller, &descriptor::{}.methods[{at}], {argument}).await }}",
            signature(method),
            constant(name)
        );
    }
    format!(
        "/// Makes the calls of [`{name}`].
        #[derive(Clone, Debug)]
        pub struct {name}Client<C>(C);
        impl<C: ::micro_rpc::Channel> {name}Client<C> {{
            /// Calls over `channel`.
            pub fn new(channel: C) -> Self {{
                Self(channel)
            }}
        }}
        #[::async_trait::async_trait]
        impl<C: ::micro_rpc::Channel> {name} for {name}Client<C> {{
            {methods}
        }}\n"
    )
}
