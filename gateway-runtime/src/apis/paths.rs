//! What an API asks for on single paths: of the entries of one list, the first that matches path and method counts.

use std::sync::Arc;

use gateway_sdk::Request;

use crate::apis::listen_path::ListenPath;
use crate::apis::matcher::{Entry, Matcher};
use crate::apis::pattern::Pattern;

/// An entry that was looked up.
pub(crate) struct Planned<T> {
    pub(crate) pattern: Pattern,
    /// `None` is any.
    pub(crate) method: Option<String>,
    pub(crate) what: T,
}

/// The entries of one list.
pub(crate) struct OnPaths<T> {
    matcher: Matcher<1>,
    /// What each entry of the matcher asks for.
    what: Box<[T]>,
    listen: Arc<ListenPath>,
}

impl<T> OnPaths<T> {
    /// `None` where there are none.
    pub(crate) fn new(planned: Vec<Planned<T>>, listen: &Arc<ListenPath>) -> Option<Self> {
        let (mut entries, mut all) = (Vec::new(), Vec::new());
        for Planned { pattern, method, what } in planned {
            entries.push(Entry { pattern, method, kind: 0 });
            all.push(what);
        }
        let matcher = (!all.is_empty()).then(|| Matcher::new(entries))?;
        Some(Self { matcher, what: all.into(), listen: Arc::clone(listen) })
    }

    /// What is asked for on the path of a request.
    pub(crate) fn find(&self, request: &Request) -> Option<&T> {
        self.find_with_place(request).map(|(_, what)| what)
    }

    /// The same, and its place among all.
    pub(crate) fn find_with_place(&self, request: &Request) -> Option<(usize, &T)> {
        let [found] = self.matcher.find(request.method().as_str(), request.path(), &self.listen);
        let at = found?;
        self.what.get(at).map(|what| (at, what))
    }

    /// Where the API listens whose paths they are.
    pub(crate) fn listen(&self) -> &ListenPath {
        &self.listen
    }

    /// All of them, in their order.
    pub(crate) fn all(&self) -> &[T] {
        &self.what
    }
}
