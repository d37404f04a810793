//! What a started service finds in its environment (reference/micro-wire §6.5), and nothing of the server's own.

use secrecy::{ExposeSecret, SecretString};

/// The facts that become variables.
pub struct Facts<'f> {
    /// As deployed.
    pub name: &'f str,
    /// `latest`, or a ref.
    pub version: &'f str,
    /// The namespace's name.
    pub namespace: &'f str,
    /// Where the core answers: the instance's own door, or the server's network address.
    pub proxy: &'f str,
    /// Where the service is to listen.
    pub address: &'f str,
    /// Its account.
    pub auth_id: &'f str,
    /// That account's secret.
    pub auth_secret: &'f SecretString,
}

/// Set by us, whatever the user says.
const OURS: &[&str] = &[
    "MICRO_PROFILE",
    "MICRO_SERVICE_NAME",
    "MICRO_SERVICE_VERSION",
    "MICRO_NAMESPACE",
    "MICRO_PROXY",
    "MICRO_SERVICE_ADDRESS",
    "MICRO_AUTH_ID",
    "MICRO_AUTH_SECRET",
];

/// Every variable of a service: ours, then the user's own that do not claim to be ours.
pub fn of_service(facts: &Facts<'_>, user: &[(String, String)], base: &[(String, String)]) -> Vec<(String, String)> {
    let mut env: Vec<(String, String)> = base.to_vec();
    for (name, value) in user {
        if !OURS.contains(&name.as_str()) {
            set(&mut env, name, value);
        }
    }
    for (name, value) in [
        ("MICRO_PROFILE", "service"),
        ("MICRO_SERVICE_NAME", facts.name),
        ("MICRO_SERVICE_VERSION", facts.version),
        ("MICRO_NAMESPACE", facts.namespace),
        ("MICRO_PROXY", facts.proxy),
        ("MICRO_SERVICE_ADDRESS", facts.address),
        ("MICRO_AUTH_ID", facts.auth_id),
        ("MICRO_AUTH_SECRET", facts.auth_secret.expose_secret()),
    ] {
        set(&mut env, name, value);
    }
    env
}

fn set(env: &mut Vec<(String, String)>, name: &str, value: &str) {
    match env.iter_mut().find(|(known, _)| known == name) {
        Some((_, old)) => value.clone_into(old),
        None => env.push((name.to_owned(), value.to_owned())),
    }
}

/// Reads `NAME=value` as the user gave it; the reason where it is none.
pub fn parse(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| format!("{text:?} is not NAME=value"))?;
    let valid = (1..=128).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    // The loader's variables act before the sandbox's own code has ended its work.
    if !valid || name.starts_with("LD_") || value.contains('\0') || value.len() > 32 << 10 {
        return Err(format!("{name:?} cannot be a variable of a service"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_cannot_claim_to_be_another() {
        let secret = SecretString::from("s3cret");
        let facts = Facts {
            name: "greeter",
            version: "latest",
            namespace: "ada-ns",
            proxy: "127.0.0.1:8443",
            address: "127.0.0.1:8080",
            auth_id: "greeter-latest",
            auth_secret: &secret,
        };
        let user = [
            ("MICRO_NAMESPACE".to_owned(), "bobs-ns".to_owned()),
            ("MICRO_AUTH_SECRET".to_owned(), "stolen".to_owned()),
            ("MICRO_LOG_LEVEL".to_owned(), "debug".to_owned()),
            ("PATH".to_owned(), "/opt".to_owned()),
        ];
        let env = of_service(&facts, &user, &[("PATH".into(), "/usr/bin".into())]);
        let get = |name: &str| {
            env.iter()
                .filter(|(n, _)| n == name)
                .map(|(_, v)| v.as_str())
                .collect::<Vec<_>>()
        };
        assert_eq!(get("MICRO_NAMESPACE"), ["ada-ns"]);
        assert_eq!(get("MICRO_AUTH_SECRET"), ["s3cret"]);
        assert_eq!(get("MICRO_LOG_LEVEL"), ["debug"]);
        assert_eq!(get("PATH"), ["/opt"]);
        assert_eq!(get("MICRO_PROXY"), ["127.0.0.1:8443"]);
        assert_eq!(env.len(), 10);
    }

    #[test]
    fn variables_are_read_strictly() {
        assert_eq!(parse("A=b=c"), Ok(("A".into(), "b=c".into())));
        assert_eq!(parse("_a1="), Ok(("_a1".into(), String::new())));
        for bad in ["", "A", "=b", "1A=b", "A B=c", "LD_PRELOAD=/x", "A=b\0c"] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
