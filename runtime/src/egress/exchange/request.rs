//! A whole request: the decision on each secret, and the injection into its head and body.

use super::body_encoding::BodyEncoding;
use super::http::{Chunked, Framing, Head, MessageSide};
use super::inject::{Asked, Collect, Injector, RequestState, is_for};
use super::inject_head::{Filling, inject_in_head};
use super::overrides::{self, Beginning};
use super::reasons::{OpaqueReason, RequestPart, SkipReason};
use super::search::SearchStream;
use super::secrets::{Secret, Secrets};
use super::target::{is_authority, is_clear_path, is_under, path_of};
use std::sync::Arc;

/// Largest body that is collected for an injection.
const MAX_BODY: u64 = 1 << 20;

/// Most bytes of a body with values in it.
const MAX_GROWN_BODY: usize = 2 << 20;

/// Most requests without a response.
const MAX_ASKED: usize = 1_000;

impl Injector {
    /// Parses a whole head strictly, injects values, and sends it or keeps it until its body is complete.
    pub(super) fn request(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), OpaqueReason> {
        self.told.clear();
        let head = Head::parse(bytes)?;
        let line = head.text(&head.first_line);
        // The line was checked byte by byte: a method, a blank, a target, a blank, the version.
        let method_end = line.iter().position(|byte| *byte == b' ').ok_or(OpaqueReason::NotHttp)?;
        let target = method_end + 1..line.len().saturating_sub(b" HTTP/1.1".len());
        let method = std::str::from_utf8(&line[..method_end]).map_err(|_| OpaqueReason::NotHttp)?;
        if method == "CONNECT" {
            return Err(OpaqueReason::Target);
        }
        let path_at = path_of(bytes, target.clone(), &self.destination)?;
        let mut hosts = head.values("host");
        match (hosts.next(), hosts.next()) {
            (Some(host), None) if is_authority(host, &self.destination) => {}
            (Some(_), None) => return Err(OpaqueReason::ForeignHost),
            _ => return Err(OpaqueReason::Hosts),
        }
        let framing = head.framing()?;
        if self.asked.len() == MAX_ASKED {
            return Err(OpaqueReason::Unanswered);
        }

        let secrets = Arc::clone(&self.secrets);
        let mut path = head.text(&path_at);
        if path.is_empty() {
            path = b"/";
        }
        let query = &line[path_at.end..target.end];
        let granted = |secret: &Secret| self.granted(secret, method, path, query, &head);
        let mut grants: Vec<Option<SkipReason>> = secrets.secrets.iter().map(|secret| granted(secret).err()).collect();
        let unfit = unfit(&head, framing);
        let has_body = !matches!(framing, Framing::None | Framing::Length(0));
        let content_type = head.values("content-type").next().unwrap_or_default();
        let suspect = has_body
            && method == "POST"
            && overrides::has_parameters(content_type)
            && suspect_body(&secrets, &mut grants, unfit.as_ref());
        let in_body = |(secret, grant): (&Secret, &Option<SkipReason>)| {
            grant.clone().or((!secret.parts.body).then_some(SkipReason::Part(RequestPart::Body))).or(unfit.clone())
        };
        self.body = secrets.secrets.iter().zip(&grants).map(in_body).collect();
        self.watch = SearchStream::default();
        self.beginning = Beginning::default();
        self.upgrade = head.values("upgrade").next().is_some();
        let read_by_all = matches!(method, "POST" | "PUT" | "PATCH") && head.values("expect").next().is_none();
        self.doubtful |= has_body && !read_by_all;
        self.asked.push_back(Asked { head: method == "HEAD", upgrade: self.upgrade });
        if let Framing::Length(left @ 1..=MAX_BODY) = framing
            && (suspect || self.body.iter().any(Option::is_none))
        {
            self.state = RequestState::Collect(Collect {
                head: bytes.to_vec(),
                method_end,
                path: path_at,
                grants,
                body: Vec::new(),
                left: left as usize,
                encoding: BodyEncoding::from_content_type(content_type),
                suspect,
            });
            return Ok(());
        }
        let injected = inject_in_head(&secrets, &head, method_end, &path_at, &grants, self.in_force);
        injected.marks.into_iter().for_each(|mark| self.tell(mark));
        match framing {
            Framing::None | Framing::Length(0) => self.next_request(),
            Framing::Length(left) => self.state = RequestState::Length(left),
            Framing::Chunked => self.state = RequestState::Chunked(Chunked::new(MessageSide::Request)),
        }
        out.extend_from_slice(&injected.bytes);
        Ok(())
    }

    /// Checks that a secret is granted for this host, method and path, in any part of the request.
    fn granted(
        &self,
        secret: &Secret,
        method: &str,
        path: &[u8],
        query: &[u8],
        head: &Head<'_>,
    ) -> Result<(), SkipReason> {
        if !is_for(secret, &self.destination) {
            return Err(SkipReason::Host(self.destination.clone()));
        }
        if secret.methods.as_ref().is_some_and(|methods| !methods.iter().any(|granted| granted == method)) {
            return Err(SkipReason::Method(method.to_owned()));
        }
        if secret.methods.is_some() || secret.path_prefix.is_some() {
            let mut names = head.fields.iter().map(|field| head.text(&field.name));
            if let Some(name) = names.find(|name| overrides::is_override_header(name)) {
                return Err(SkipReason::Override(String::from_utf8_lossy(name).chars().take(100).collect()));
            }
            if secret.methods.is_some() && overrides::in_query(query) {
                return Err(SkipReason::Parameter);
            }
            if self.doubtful {
                return Err(SkipReason::Doubtful);
            }
        }
        match &secret.path_prefix {
            Some(_) if !is_clear_path(path) => Err(SkipReason::PathUnclear),
            Some(prefix) if !is_under(path, prefix.as_bytes()) => Err(SkipReason::Path(prefix.clone())),
            _ => Ok(()),
        }
    }

    /// Injects values into a request whose body is complete.
    pub(super) fn collected(&mut self, out: &mut Vec<u8>) {
        let RequestState::Collect(collect) = &mut self.state else { return };
        let Collect { head, method_end, path, mut grants, mut body, encoding, suspect, .. } = std::mem::take(collect);
        let secrets = Arc::clone(&self.secrets);
        if suspect && overrides::in_body(&body) {
            for (number, _) in secrets.secrets.iter().enumerate().filter(|(_, secret)| secret.methods.is_some()) {
                grants[number].get_or_insert(SkipReason::Parameter);
                self.body[number].get_or_insert(SkipReason::Parameter);
            }
        }
        self.beginning.push(&body);
        self.doubtful |= self.beginning.may_be_request();
        // It was parsed before.
        let Ok(read) = Head::parse(&head) else { return };
        let mut injected = inject_in_head(&secrets, &read, method_end, &path, &grants, self.in_force);
        let mut filling = Filling { secrets: &secrets, most: MAX_GROWN_BODY, too_large: false, marks: Vec::new() };
        let mut filled = Vec::with_capacity(body.len());
        filling.fill(&body, &mut filled, |secret, number| match &self.body[number] {
            Some(why) => Err(why.clone()),
            None => encoding.encode(&secret.value),
        });
        if filling.too_large {
            filled = std::mem::take(&mut body);
        }
        let marks = filling.finish();
        injected.bytes.splice(injected.length.clone(), filled.len().to_string().into_bytes());
        out.append(&mut injected.bytes);
        out.append(&mut filled);
        injected.marks.into_iter().chain(marks).for_each(|mark| self.tell(mark));
    }
}

/// Returns true when the body must be searched for another method before the injection, because a secret is granted for
/// some methods only. When the body cannot be searched, these secrets are not injected.
fn suspect_body(secrets: &Secrets, grants: &mut [Option<SkipReason>], unfit: Option<&SkipReason>) -> bool {
    let by_method = |(secret, grant): &(&Secret, &mut Option<SkipReason>)| secret.methods.is_some() && grant.is_none();
    let mut suspect = false;
    for (_, grant) in secrets.secrets.iter().zip(grants).filter(by_method) {
        *grant = unfit.map(|why| SkipReason::UnreadBody(Box::new(why.clone())));
        suspect |= grant.is_none();
    }
    suspect
}

/// Returns the reason why a request's body cannot be collected, if there is one.
fn unfit(head: &Head<'_>, framing: Framing) -> Option<SkipReason> {
    if framing == Framing::Chunked {
        Some(SkipReason::ChunkedBody)
    } else if head.values("content-encoding").any(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
        Some(SkipReason::EncodedBody)
    } else if matches!(framing, Framing::Length(length) if length > MAX_BODY) {
        Some(SkipReason::LargeBody)
    } else {
        head.values("expect").next().map(|_| SkipReason::Expect)
    }
}
