//! Templates filled in. They are part of the program; a test renders each.

use std::sync::LazyLock;

use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use tera::{Context, Tera};

use crate::assets::{SCRIPT, STYLE};

static TEMPLATES: LazyLock<Tera> = LazyLock::new(|| {
    let mut tera = Tera::default();
    tera.add_raw_templates([
        ("base.html", include_str!("../../../web/templates/base.html")),
        ("front.html", include_str!("../../../web/templates/front.html")),
        ("subscribe.html", include_str!("../../../web/templates/subscribe.html")),
        ("stored.html", include_str!("../../../web/templates/stored.html")),
        ("explain.html", include_str!("../../../web/templates/explain.html")),
        ("said.html", include_str!("../../../web/templates/said.html")),
        ("mailbox.html", include_str!("../../../web/templates/mailbox.html")),
        ("letter.html", include_str!("../../../web/templates/letter.html")),
    ])
    .expect("the templates are part of the program, and a test renders each");
    tera
});

/// A page that only says something.
#[derive(Serialize)]
pub(crate) struct Said<'s> {
    pub(crate) heading: &'s str,
    pub(crate) lines: &'s [&'s str],
    /// What to type next, if anything.
    pub(crate) command: &'s str,
}

/// Fills in one template.
pub(crate) fn page(status: StatusCode, template: &str, what: &impl Serialize) -> Response {
    let rendered = Context::from_serialize(what).and_then(|mut context| {
        context.insert("style_version", &STYLE.version);
        context.insert("script_version", &SCRIPT.version);
        TEMPLATES.render(template, &context)
    });
    match rendered {
        Ok(html) => (status, Html(html)).into_response(),
        Err(e) => {
            tracing::error!(template, error = %e, "a page could not be rendered");
            (StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong on our side.").into_response()
        }
    }
}

/// A page that only says something.
pub(crate) fn say(status: StatusCode, said: &Said<'_>) -> Response {
    page(status, "said.html", said)
}

/// No such page.
pub(crate) fn missing() -> Response {
    let lines = ["There is nothing at this address. If it is a link from your terminal, copy all of it."];
    say(
        StatusCode::NOT_FOUND,
        &Said {
            heading: "Not found",
            lines: &lines,
            command: "",
        },
    )
}

/// Our fault, or not now.
pub(crate) fn sorry(status: StatusCode) -> Response {
    let lines = ["Something went wrong on our side. Nothing is lost: please load this page again in a moment."];
    say(
        status,
        &Said {
            heading: "Sorry",
            lines: &lines,
            command: "",
        },
    )
}
