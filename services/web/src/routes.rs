//! Every address of this door. The router is made of this list, and the isolation suite has a row for each entry.

use axum::{
    Router, middleware,
    routing::{MethodFilter, MethodRouter, on},
};
use http::Method;

use crate::{Web, assets, front, mailbox, subscribe};

/// How one address is asked.
pub struct Route {
    /// GET answers HEAD too.
    pub method: Method,
    /// Parts in braces stand for anything without a slash.
    pub path: &'static str,
    to: To,
}

/// Says what answers a method.
type Answered = fn(MethodFilter) -> MethodRouter<Web>;

enum To {
    Page(Answered),
    /// There only where letters are shown, and for this machine.
    Letters(Answered),
    /// The payment provider's way in, which boot brings along.
    Webhooks,
}

/// All of them.
pub static ROUTES: [Route; 14] = [
    page(Method::GET, "/", |method| on(method, front::show)),
    page(Method::GET, "/subscribe", |method| on(method, subscribe::explain)),
    page(Method::POST, "/subscribe", |method| on(method, subscribe::mail_link)),
    page(Method::GET, "/subscribe.html", |method| on(method, subscribe::explain)),
    page(Method::POST, "/subscribe.html", |method| {
        on(method, subscribe::mail_link)
    }),
    page(Method::GET, "/subscribe/{link}", |method| on(method, subscribe::show)),
    page(Method::POST, "/subscribe/{link}", |method| on(method, subscribe::start)),
    page(Method::GET, "/subscribe/{link}/return", |method| {
        on(method, subscribe::finish)
    }),
    page(Method::GET, "/static/{name}", |method| on(method, assets::show)),
    letters("/mailbox", |method| on(method, mailbox::list)),
    letters("/mailbox.json", |method| on(method, mailbox::list_json)),
    letters("/mailbox/{number}", |method| on(method, mailbox::show)),
    letters("/mailbox/{number}/html", |method| on(method, mailbox::show_html)),
    Route {
        method: Method::POST,
        path: "/webhooks/stripe",
        to: To::Webhooks,
    },
];

const fn page(method: Method, path: &'static str, answered: Answered) -> Route {
    Route {
        method,
        path,
        to: To::Page(answered),
    }
}

const fn letters(path: &'static str, answered: Answered) -> Route {
    Route {
        method: Method::GET,
        path,
        to: To::Letters(answered),
    }
}

/// The list as a router.
pub(crate) fn all(web: &Web) -> Router<Web> {
    ROUTES.iter().fold(Router::new(), |router, route| {
        let method = MethodFilter::try_from(route.method.clone()).expect("axum knows GET and POST");
        match route.to {
            To::Page(answered) => router.route(route.path, answered(method)),
            To::Letters(_) if web.ports.mailbox.is_none() => router,
            To::Letters(answered) => {
                let only_here = middleware::from_fn_with_state(web.clone(), mailbox::only_here);
                router.route(route.path, answered(method).route_layer(only_here))
            }
            To::Webhooks => router.route(route.path, web.ports.webhooks.clone().with_state(())),
        }
    })
}
