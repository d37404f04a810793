//! Ways to write an endpoint so that a careless door takes it for another.

/// How an endpoint is written, and what becomes of its service, handler and method then.
pub type Spelling<T> = (&'static str, fn([&str; 3]) -> T);

/// As a path of the HTTP API.
pub const OF_PATHS: [Spelling<String>; 15] = [
    ("plainly", |[s, h, m]| format!("/{s}/{h}/{m}")),
    ("in two parts", |[s, _, m]| format!("/{s}/{m}")),
    ("as gRPC", |[s, h, m]| format!("/{s}.{h}/{m}")),
    ("as an endpoint", |[s, h, m]| format!("/{s}/{h}.{m}")),
    ("in lower case", |p| lower("/", p)),
    ("in upper case", |p| lower("/", p).to_uppercase()),
    ("with slashes behind", |[s, h, m]| format!("/{s}/{h}/{m}//")),
    ("with slashes between", |[s, h, m]| format!("//{s}//{h}//{m}")),
    ("with a version", |[s, h, m]| format!("/v1/{s}/{h}/{m}")),
    ("with a domain", |[s, h, m]| format!("/micro.{s}/{h}/{m}")),
    ("below another", |[s, h, m]| format!("/auth/{s}/{h}/{m}")),
    ("through another", |[s, h, m]| format!("/auth/..%2f{s}/{h}/{m}")),
    ("with percent signs", |[s, h, m]| {
        format!("/%{:02x}{}/{h}/{m}", s.as_bytes()[0], &s[1..])
    }),
    ("with a query", |[s, h, m]| {
        format!("/{s}/{h}/{m}?namespace=micro&domain=micro")
    }),
    ("with a dot behind", |[s, h, m]| format!("/{s}./{h}/{m}")),
];

/// As the parts of a path where gRPC is spoken.
pub const OF_RPCS: [Spelling<[String; 3]>; 7] = [
    ("plainly", |p| p.map(str::to_owned)),
    ("in lower case", |p| p.map(str::to_lowercase)),
    ("in upper case", |p| p.map(str::to_uppercase)),
    ("with a version", |[s, h, m]| [format!("v1.{s}"), h.into(), m.into()]),
    ("with a domain", |[s, h, m]| [format!("micro.{s}"), h.into(), m.into()]),
    ("below another", |[s, h, m]| [format!("auth.{s}"), h.into(), m.into()]),
    ("with a slash", |[s, h, m]| [s.into(), h.into(), format!("/{m}")]),
];

fn lower(between: &str, parts: [&str; 3]) -> String {
    let parts: String = parts.iter().map(|part| format!("{between}{part}")).collect();
    parts.to_lowercase()
}
