//! Which passwords are taken.

use micro_domain::Email;
use secrecy::{ExposeSecret, SecretString};

use crate::SignupError;

const SHORTEST: usize = 8;
const LONGEST: usize = 256;

/// Refuses passwords that are too short to hold, too long to hash, or the address itself.
pub(crate) fn check(password: &SecretString, email: &Email) -> Result<(), SignupError> {
    let text = password.expose_secret();
    let local = email.as_str().split('@').next().unwrap_or_default();
    if text.chars().count() < SHORTEST {
        return Err(SignupError::Password("Choose a password of at least 8 characters"));
    }
    if text.len() > LONGEST {
        return Err(SignupError::Password("Choose a password of at most 256 bytes"));
    }
    let said = text.trim().to_ascii_lowercase();
    if said == email.as_str() || said == local {
        return Err(SignupError::Password(
            "Choose a password that is not your email address",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_holds_or_is_refused_with_a_reason() {
        let email = Email::parse("ada.lovelace@example.com").expect("valid");
        let refused = |text: &str| check(&SecretString::from(text), &email).err().map(|e| e.to_string());
        assert_eq!(refused("eight ch"), None);
        assert_eq!(refused("пароль12"), None, "characters count, not bytes");
        assert_eq!(refused(&"x".repeat(256)), None);
        assert!(refused("").expect("short").contains("at least 8"));
        assert!(refused("1234567").expect("short").contains("at least 8"));
        assert!(refused(&"x".repeat(257)).expect("long").contains("at most 256"));
        for own in ["ada.lovelace@example.com", "Ada.Lovelace@Example.com", " ada.lovelace "] {
            assert!(refused(own).expect("own").contains("not your email"), "{own:?}");
        }
    }
}
