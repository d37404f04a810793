//! What our letters say. The words of the sign-up code are those the product was asked for with.

use std::sync::LazyLock;

use micro_domain::Email;
use serde::Serialize;
use tera::{Context, Tera};

use crate::{Letter, MailError};

static TEMPLATES: LazyLock<Tera> = LazyLock::new(|| {
    let mut tera = Tera::default();
    tera.add_raw_templates([
        ("letter.html", include_str!("../templates/letter.html")),
        ("signup_code.txt", include_str!("../templates/signup_code.txt")),
        ("signup_code.html", include_str!("../templates/signup_code.html")),
        ("login_code.txt", include_str!("../templates/login_code.txt")),
        ("login_code.html", include_str!("../templates/login_code.html")),
        ("link.txt", include_str!("../templates/link.txt")),
        ("link.html", include_str!("../templates/link.html")),
        ("welcome.txt", include_str!("../templates/welcome.txt")),
        ("welcome.html", include_str!("../templates/welcome.html")),
        ("refunded.txt", include_str!("../templates/refunded.txt")),
        ("refunded.html", include_str!("../templates/refunded.html")),
        ("recovery.txt", include_str!("../templates/recovery.txt")),
        ("recovery.html", include_str!("../templates/recovery.html")),
    ])
    .expect("the templates are part of the program, and a test renders each");
    tera
});

/// A letter to be written, and what it says in particular.
#[derive(Clone, Serialize)]
#[serde(untagged)]
pub enum Template<'a> {
    /// To an address that is new here.
    SignupCode {
        /// 40 hexadecimal digits.
        code: &'a str,
        /// The same, easier to type.
        short: &'a str,
        /// For how long.
        minutes: i64,
        /// Whether the command will ask for a card.
        payment: bool,
    },
    /// To an address that has a namespace.
    LoginCode {
        /// 40 hexadecimal digits.
        code: &'a str,
        /// The same, easier to type.
        short: &'a str,
        /// For how long.
        minutes: i64,
    },
    /// Where the card of a waiting sign-up is entered, for people whose client prints no address.
    Link {
        /// The subscribe page.
        link: &'a str,
        /// A month's price.
        price: &'a str,
    },
    /// The namespace is ready.
    Welcome {
        /// Its three words.
        namespace: &'a str,
        /// A month's price; empty where nothing is charged.
        price: &'a str,
    },
    /// A paid attempt did not get ready in time.
    Refunded {
        /// What was given back.
        amount: &'a str,
    },
    /// Which namespaces an address has, for people who forgot.
    Recovery {
        /// Their names.
        namespaces: Vec<&'a str>,
    },
}

impl Template<'_> {
    /// Fills the template in.
    pub fn letter(&self, to: Email) -> Result<Letter, MailError> {
        let (name, subject) = match self {
            Self::SignupCode { .. } => ("signup_code", "Your Micro sign-up token"),
            Self::LoginCode { .. } => ("login_code", "Your Micro login token"),
            Self::Link { .. } => ("link", "Your Micro subscribe page"),
            Self::Welcome { .. } => ("welcome", "Welcome to Micro"),
            Self::Refunded { .. } => ("refunded", "We have refunded your Micro sign-up"),
            Self::Recovery { .. } => ("recovery", "Your Micro namespaces"),
        };
        let mut context = Context::from_serialize(self).map_err(MailError::Template)?;
        context.insert("subject", subject);
        let render = |form: &str| {
            TEMPLATES
                .render(&format!("{name}.{form}"), &context)
                .map_err(MailError::Template)
        };
        Letter::new(to, subject, render("txt")?, render("html")?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "da11a78e30171057bc320ec36dcc5a7db5611053";

    fn ada() -> Email {
        Email::parse("ada@example.com").expect("valid")
    }

    #[test]
    fn the_sign_up_code_keeps_the_words_it_was_asked_for_with() {
        let template = Template::SignupCode {
            code: CODE,
            short: "K7PQ-2MXR",
            minutes: 60,
            payment: true,
        };
        let letter = template.letter(ada()).expect("renders");
        assert_eq!(
            letter.text(),
            "You've just issued a micro login command with this email address. To continue please copy and paste \
             this one-time token into your terminal:\n\n    da11a78e30171057bc320ec36dcc5a7db5611053\n\n\
             If pasting is not possible, type its short form instead:\n\n    K7PQ-2MXR\n\n\
             This token expires in 60 minutes.\n\n\
             The command will prompt you for payment during your registration.\n\n\
             If this was not you, ignore this letter: without the token nothing happens.\n\n\
             Cheers,\nThe Micro Team\n"
        );
        for fact in [CODE, "K7PQ-2MXR", "60 minutes", "prompt you for payment"] {
            assert!(letter.html().contains(fact), "{fact}");
        }
    }

    #[test]
    fn nothing_is_said_of_payment_where_none_is_due() {
        let template = Template::SignupCode {
            code: CODE,
            short: "K7PQ-2MXR",
            minutes: 60,
            payment: false,
        };
        let letter = template.letter(ada()).expect("renders");
        assert!(!letter.text().contains("payment") && !letter.html().contains("payment"));
    }

    #[test]
    fn a_login_code_says_how_short_it_lives() {
        let letter = Template::LoginCode {
            code: CODE,
            short: "K7PQ-2MXR",
            minutes: 10,
        }
        .letter(ada())
        .expect("renders");
        assert_eq!(
            letter.text(),
            "You've just issued a micro login command with this email address, which has a Micro account. To log in \
             please copy and paste this one-time token into your terminal:\n\n    \
             da11a78e30171057bc320ec36dcc5a7db5611053\n\n\
             If pasting is not possible, type its short form instead:\n\n    K7PQ-2MXR\n\n\
             This token expires in 10 minutes.\n\n\
             If this was not you, ignore this letter: without the token nothing happens.\n\n\
             Cheers,\nThe Micro Team\n"
        );
        assert!(letter.html().contains(CODE));
    }

    #[test]
    fn a_link_stands_alone_on_its_line_and_leads_there() {
        let link = "https://micro.example/subscribe/AbC";
        let letter = Template::Link { link, price: "$35" }.letter(ada()).expect("renders");
        assert!(letter.text().contains(&format!("\n    {link}\n")) && letter.text().contains("$35 a month"));
        assert!(
            letter.html().contains("href=\"https:&#x2F;&#x2F;micro")
                || letter.html().contains(&format!("href=\"{link}\""))
        );
    }

    #[test]
    fn welcome_and_refund_name_what_they_are_about() {
        let welcome = Template::Welcome {
            namespace: "amber-otter-drift",
            price: "$35",
        }
        .letter(ada())
        .expect("renders");
        assert!(welcome.text().contains("amber-otter-drift") && welcome.text().contains("$35 a month"));
        assert!(welcome.html().contains("amber-otter-drift"));
        let free = Template::Welcome {
            namespace: "amber-otter-drift",
            price: "",
        }
        .letter(ada())
        .expect("renders");
        assert!(!free.text().contains('$'));
        let refunded = Template::Refunded { amount: "$35" }.letter(ada()).expect("renders");
        assert!(refunded.text().contains("$35") && refunded.html().contains("$35"));
        let names = vec!["amber-otter-drift", "calm-cedar-song"];
        let recovery = Template::Recovery { namespaces: names }.letter(ada()).expect("renders");
        assert!(recovery.text().contains("amber-otter-drift\n") && recovery.text().contains("calm-cedar-song\n"));
    }

    #[test]
    fn html_is_escaped() {
        let letter = Template::Welcome {
            namespace: "<script>",
            price: "",
        }
        .letter(ada())
        .expect("renders");
        assert!(!letter.html().contains("<script>") && letter.html().contains("&lt;script&gt;"));
        assert!(letter.text().contains("<script>"), "text is left as it is");
    }
}
