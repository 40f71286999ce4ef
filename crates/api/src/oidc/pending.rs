//! A sign-in that has begun: what must come back with the browser. It lies in the browser's own cookie, for ten minutes. A
//! browser that never began a sign-in, such as one that was sent a stranger's link, has none and gets nowhere.

use actix_web::cookie::{Cookie, SameSite, time};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// Its cookie.
pub(crate) const PENDING_COOKIE: &str = "holdfast_oidc";
/// Where the cookie is sent, and nowhere else.
const PENDING_PATH: &str = "/api/v1/auth/oidc";
/// How long the provider's pages may take.
const PATIENCE: TimeDelta = TimeDelta::minutes(10);

/// What is remembered.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pending {
    pub(crate) state: String,
    pub(crate) nonce: String,
    pub(crate) verifier: String,
    pub(crate) redirect_uri: String,
    /// Where the person wanted to go.
    pub(crate) return_to: String,
    pub(crate) begun_at: DateTime<Utc>,
}

impl Pending {
    /// The cookie. `SameSite=Lax`, since the browser comes back from another site.
    pub(crate) fn cookie(&self, secure: bool) -> Cookie<'static> {
        let text = serde_json::to_vec(self).unwrap_or_default();
        let seconds = time::Duration::seconds(PATIENCE.num_seconds());
        Cookie::build(PENDING_COOKIE, hex::encode(text))
            .path(PENDING_PATH)
            .http_only(true)
            .secure(secure)
            .same_site(SameSite::Lax)
            .max_age(seconds)
            .finish()
    }

    /// The cookie that takes it away.
    pub(crate) fn cookie_gone() -> Cookie<'static> {
        let mut cookie = Cookie::build(PENDING_COOKIE, "").path(PENDING_PATH).http_only(true).finish();
        cookie.make_removal();
        cookie
    }

    /// Reads the cookie that came back with `state`; `None` when it is not of this sign-in or too old.
    pub(crate) fn of_cookie(text: &str, state: &str, now: DateTime<Utc>) -> Option<Self> {
        let pending: Self = serde_json::from_slice(&hex::decode(text).ok()?).ok()?;
        let age = now - pending.begun_at;
        let is_timely = age >= TimeDelta::zero() && age <= PATIENCE;
        (is_timely && !state.is_empty() && pending.state == state).then_some(pending)
    }
}

/// A path of this service, and nothing that a browser takes for another host. // OWASP: unvalidated redirects
pub(crate) fn local_path(asked: Option<&str>) -> String {
    let is_local = |path: &&str| {
        path.starts_with('/')
            && !path.starts_with("//")
            && !path.contains('\\')
            && path.bytes().all(|byte| byte.is_ascii_graphic())
    };
    asked.filter(is_local).unwrap_or("/").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_browser_that_began_comes_back_and_in_time() {
        let begun_at = Utc::now();
        let word = |word: &str| word.to_owned();
        let pending = Pending {
            state: word("s"),
            nonce: word("n"),
            verifier: word("v"),
            redirect_uri: word("http://localhost/c"),
            return_to: word("/x"),
            begun_at,
        };
        let cookie = pending.cookie(true);
        assert_eq!(
            (cookie.secure(), cookie.http_only(), cookie.same_site()),
            (Some(true), Some(true), Some(SameSite::Lax))
        );
        let read = |state: &str, minutes: i64| {
            Pending::of_cookie(cookie.value(), state, begun_at + TimeDelta::minutes(minutes))
        };
        assert_eq!(read("s", 1), Some(pending));
        assert_eq!((read("t", 1), read("", 1), read("s", 11), read("s", -1)), (None, None, None, None));
        for text in ["", "x", "7b7d", &hex::encode("{\"state\":\"\"}")] {
            assert_eq!(Pending::of_cookie(text, "", begun_at), None);
        }
    }

    #[test]
    fn nobody_is_sent_elsewhere() {
        assert_eq!(local_path(Some("/datastores?x=1#y")), "/datastores?x=1#y");
        for bad in [
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "\\\\evil",
            "evil",
            "",
            "/a\tb",
            "/ü",
            "/\r\nx",
        ] {
            assert_eq!(local_path(Some(bad)), "/", "{bad}");
        }
        assert_eq!(local_path(None), "/");
    }
}
