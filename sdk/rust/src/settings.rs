//! Where a service runs and as whom: the runtime says so through the environment.

use std::env;

/// What a service has to know of its surroundings. [`Service::run`](crate::Service::run) takes it from the
/// environment; tests fill it by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `MICRO_PROXY`: host and port of Micro, through which all calls go.
    pub proxy: String,
    /// `MICRO_NAMESPACE`
    pub namespace: String,
    /// `MICRO_SERVICE_ADDRESS`: where to listen.
    pub address: String,
    /// `MICRO_AUTH_ID` and `MICRO_AUTH_SECRET`: the service's own account, where it has one.
    pub account: Option<Account>,
}

/// A service's own account.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: String,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Settings {
    /// As the environment has them; a local `micro server` where it says nothing.
    pub fn from_env() -> Self {
        let account = setting("MICRO_AUTH_ID").zip(setting("MICRO_AUTH_SECRET"));
        Self {
            proxy: setting("MICRO_PROXY").unwrap_or_else(|| "127.0.0.1:8443".into()),
            namespace: setting("MICRO_NAMESPACE").unwrap_or_else(|| "micro".into()),
            address: listen_address(setting("MICRO_SERVICE_ADDRESS")),
            account: account.map(|(id, secret)| Account { id, secret }),
        }
    }
}

fn listen_address(given: Option<String>) -> String {
    match given {
        Some(port) if port.starts_with(':') => format!("127.0.0.1{port}"),
        Some(address) => address,
        None => "127.0.0.1:0".into(),
    }
}

pub(crate) fn setting(name: &str) -> Option<String> {
    env::var(name).ok().filter(|v| !v.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_on_this_machine() {
        assert_eq!(listen_address(Some(":8080".into())), "127.0.0.1:8080");
        assert_eq!(listen_address(Some("10.0.0.1:8080".into())), "10.0.0.1:8080");
        assert_eq!(listen_address(None), "127.0.0.1:0");
    }

    #[test]
    fn a_secret_is_not_printed() {
        let account = Account {
            id: "greeter".into(),
            secret: "hush".into(),
        };
        assert!(!format!("{account:?}").contains("hush"));
    }
}
