//! `If-Match` and `If-None-Match`: what a request says that something must still be (RFC 9110, section 13).

use super::problem::Problem;
use crate::precondition::Precondition;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;

/// What a change needs, as its headers say it.
pub(super) fn read(headers: &HeaderMap) -> Result<Precondition, Problem> {
    let (is, is_not) = (given(headers, &header::IF_MATCH)?, given(headers, &header::IF_NONE_MATCH)?);
    match (is.as_slice(), is_not.as_slice()) {
        ([], []) => Ok(Precondition::None),
        ([], ["*"]) => Ok(Precondition::Absent),
        ([], _) => {
            let detail = "of a change only If-None-Match: * is understood: it makes something new";
            Err(Problem::bad("bad_header", detail).field("If-None-Match"))
        }
        (["*"], []) => Ok(Precondition::Present),
        (tags, []) => {
            let tags = tags.iter().flat_map(|tags| tags.split(',')).map(str::trim).filter(|tag| !tag.is_empty());
            tags.map(|tag| bare(tag).ok_or_else(|| not_a_tag(tag))).collect::<Result<_, _>>().map(Precondition::Tagged)
        }
        _ => {
            let detail = "If-Match and If-None-Match exclude one another: send one of them";
            Err(Problem::bad("bad_header", detail).field("If-None-Match"))
        }
    }
}

/// The values of a header.
fn given<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Vec<&'h str>, Problem> {
    let values = headers.get_all(name).iter().map(HeaderValue::to_str).collect::<Result<Vec<_>, _>>();
    values.map_err(|_| Problem::bad("bad_header", format!("{name} is not ASCII")).field(name.as_str()))
}

fn not_a_tag(text: &str) -> Problem {
    let text = crate::service::quoted(text);
    let detail = format!("If-Match is the ETag of an answer, with its quotation marks; {text:?} is none");
    Problem::bad("bad_header", detail).field("If-Match")
}

/// A tag without its marks. A proxy that packs an answer makes its tag a weak one, which names the same content here.
fn bare(tag: &str) -> Option<String> {
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    tag.strip_prefix('"')?.strip_suffix('"').filter(|tag| !tag.contains('"')).map(str::to_owned)
}

/// Says of an answer what it is the state of.
pub(super) fn tagged(mut response: Response, tag: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(&format!("\"{tag}\"")) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(HeaderName, &'static str)]) -> Result<Precondition, Option<String>> {
        let headers = pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        read(&headers).map_err(|problem| problem.error.field.map(|field| field.into_owned()))
    }

    #[test]
    fn headers_say_what_must_be() {
        let tagged = |tags: &[&str]| Ok(Precondition::Tagged(tags.iter().map(|tag| (*tag).to_owned()).collect()));
        let (is, is_not) = (header::IF_MATCH, header::IF_NONE_MATCH);
        assert_eq!(of(&[]), Ok(Precondition::None));
        assert_eq!(of(&[(is.clone(), "*")]), Ok(Precondition::Present));
        assert_eq!(of(&[(is_not.clone(), "*")]), Ok(Precondition::Absent));
        assert_eq!(of(&[(is.clone(), "\"1-a\"")]), tagged(&["1-a"]));
        assert_eq!(of(&[(is.clone(), "W/\"1-a\" , \"2-b\"")]), tagged(&["1-a", "2-b"]));
        for wrong in ["1-a", "\"1-a", "\"a\"b\"", "x, \"1\""] {
            assert_eq!(of(&[(is.clone(), wrong)]), Err(Some("If-Match".into())), "{wrong}");
        }
        assert_eq!(of(&[(is_not.clone(), "\"1-a\"")]), Err(Some("If-None-Match".into())));
        assert_eq!(of(&[(is, "*"), (is_not, "*")]), Err(Some("If-None-Match".into())));
    }
}
