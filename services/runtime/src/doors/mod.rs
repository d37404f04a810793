//! The runtime on the wire: Micro's `Runtime`, `Source` and `Build`, and our `Releases`.

mod logs;
mod releases;
mod runtime;
mod source;
mod usage;

use micro_domain::ServiceName;
use micro_error::{Error, Kind};
use micro_proto::runtime::Service as Wanted;

pub(crate) use source::source_key;

use crate::state::ServiceId;

/// Micro's default version.
const LATEST: &str = "latest";

fn invalid(id: &str, message: impl Into<String>) -> Error {
    Error::new(Kind::Invalid, id, message)
}

/// Which service is meant; the version is `latest` where none is given.
fn service_id(service: &Wanted, method: &str) -> Result<ServiceId, Error> {
    let name = ServiceName::parse(service.name.as_str()).map_err(|_| {
        invalid(
            method,
            format!(
                "{:?} is not a name for a service: use letters, digits, dashes, dots and underscores",
                service.name
            ),
        )
    })?;
    let version = if service.version.is_empty() {
        LATEST
    } else {
        &service.version
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/' | b'+');
    let part = |p: &str| !matches!(p, "" | "." | "..");
    if version.len() > 128 || !version.bytes().all(plain) || !version.split('/').all(part) {
        return Err(invalid(
            method,
            format!("{version:?} is not a version: use a branch, a tag or a commit"),
        ));
    }
    Ok(ServiceId {
        name: name.as_str().to_owned(),
        version: version.to_owned(),
    })
}
