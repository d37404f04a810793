//! From a path to an endpoint (reference/micro-wire §7.3).

/// `/greeter/hello` is `Greeter.Hello` of `greeter`.
#[derive(Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub service: String,
    pub handler: String,
    pub method: String,
}

impl Endpoint {
    /// The endpoint that a path names, if it names one.
    pub fn of(path: &str) -> Option<Self> {
        let parts = clean(path)?;
        let (service, handler, method) = match parts.as_slice() {
            [] => return None,
            [service] => ((*service).to_owned(), last(service), "Call"),
            [service, method] => ((*service).to_owned(), last(service), *method),
            [version, service, method] if is_version(version) => (format!("{version}.{service}"), *service, *method),
            [service, handler, method] => ((*service).to_owned(), *handler, *method),
            [services @ .., handler, method] => (services.join("."), *handler, *method),
        };
        Some(Self {
            service,
            handler: title(handler),
            method: title(method),
        })
    }

    /// As it travels to the service. Rules are asked about what this says, read as a service reads it: a dot within the
    /// handler would make it another one's.
    pub fn path(&self) -> String {
        format!("/{}.{}/{}", self.service, self.handler, self.method)
    }
}

/// `foo` of `v1.foo`.
fn last(service: &str) -> &str {
    service.rsplit_once('.').map_or(service, |(_, last)| last)
}

/// The parts of a path, with `.` and `..` resolved; none where a part could be taken for something else.
fn clean(path: &str) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part if part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) =>
            {
                parts.push(part)
            }
            _ => return None,
        }
    }
    Some(parts)
}

fn is_version(part: &str) -> bool {
    part.strip_prefix('v')
        .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// `say-hello` is `SayHello`.
fn title(part: &str) -> String {
    part.split('-')
        .map(|word| {
            let mut chars = word.chars();
            let first = chars.next().map(|c| c.to_ascii_uppercase());
            first.into_iter().chain(chars).collect::<String>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_endpoints() {
        for (path, service, endpoint) in [
            ("/foo", "foo", "Foo.Call"),
            ("/foo/", "foo", "Foo.Call"),
            ("/foo/bar", "foo", "Foo.Bar"),
            ("//foo/./x/../bar", "foo", "Foo.Bar"),
            ("/foo/bar/baz", "foo", "Bar.Baz"),
            ("/v1/foo", "v1", "V1.Foo"),
            ("/v1/foo/bar", "v1.foo", "Foo.Bar"),
            ("/v1/foo/bar/baz", "v1.foo", "Bar.Baz"),
            ("/va/foo/bar", "va", "Foo.Bar"),
            ("/a/b/c/d", "a.b", "C.D"),
            ("/nice/a-b/c-d", "nice", "AB.CD"),
            ("/my-service/hello", "my-service", "MyService.Hello"),
            ("/v1.foo", "v1.foo", "Foo.Call"),
            ("/v1.foo/bar", "v1.foo", "Foo.Bar"),
        ] {
            let got = Endpoint::of(path).map(|e| (e.service, format!("{}.{}", e.handler, e.method)));
            assert_eq!(got, Some((service.to_owned(), endpoint.to_owned())), "{path}");
        }
        for none in ["/", "//", "/..", "/a%2fb", "/a:b/c", "/a b"] {
            assert_eq!(Endpoint::of(none), None, "{none}");
        }
    }
}
