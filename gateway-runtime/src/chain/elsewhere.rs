//! What is known of a request beyond one chain: who else serves it, and how it came to be here.

use std::sync::Arc;

use gateway_sdk::Request;

/// Who serves a request in place of the API whose chain it is in.
#[derive(Debug)]
pub(crate) enum Elsewhere {
    /// An API, by its id: all of its chain runs, from the start.
    Api(Arc<str>),
    /// A version of the API itself, by its place among them.
    Version {
        at: usize,
        /// The request has named none.
        is_default: bool,
    },
}

/// How a request came to the API that it is at; kept with it once it has been at another.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Journey {
    /// How many APIs have handed it on.
    pub(crate) apis: u32,
    /// How many of these did because they were told to go to a `tyk://` address: to such requests `internal` paths are
    /// open.
    pub(crate) loops: u32,
}

impl Journey {
    pub(crate) fn of(request: &Request) -> Self {
        request.extensions().get().copied().unwrap_or_default()
    }

    pub(crate) fn keep(self, request: &mut Request) {
        request.extensions_mut().insert(self);
    }
}

/// The path of a request is one on which nobody is asked who they are. Source: gateway.md §5.3.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ignored;

impl Ignored {
    pub(crate) fn is_set(request: &Request) -> bool {
        request.extensions().get::<Self>().is_some()
    }

    pub(crate) fn set(request: &mut Request) {
        request.extensions_mut().insert(Self);
    }

    /// What one API ignores is none of another's business.
    pub(crate) fn unset(request: &mut Request) {
        request.extensions_mut().remove::<Self>();
    }
}
