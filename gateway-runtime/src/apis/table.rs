//! Which API a request is for. Made whole at every load, and never changed.
//!
//! A path belongs to the API with the longest listen path that is a prefix of it. The prefixes are sorted; the greatest
//! that is not above the path, or one of the prefixes of that, is the longest that fits, so the cost does not grow with
//! the number of APIs. Source: Tyk, `gateway/api_loader.go`.

use std::collections::HashMap;
use std::sync::Arc;

use crate::apis::compile::Api;
use crate::apis::host::{Host, Hosts, key};
use crate::apis::listen_path::ListenPath;
use crate::config::Edge;

/// A way to an API: its listen path, or `/<api_id>/`.
pub(crate) struct Route {
    pub(crate) api: Arc<Api>,
    /// Under which the request came; what `strip_listen_path` takes off.
    pub(crate) listen: Arc<ListenPath>,
    /// Whether the prefix may be stripped: not that of `/<api_id>/`.
    pub(crate) strips: bool,
    /// How specific the API's listen path is: the most specific API is asked first, by either of its routes.
    weight: usize,
}

/// Every API and every way to it.
#[derive(Default)]
pub(crate) struct Table {
    apis: Vec<Arc<Api>>,
    /// To all of them, by their ids: for requests that are inside already.
    inside: HashMap<Box<str>, Arc<Route>>,
    /// The same, by their ids in Tyk's database and by their names as [`loop_name`] writes them.
    named: HashMap<Box<str>, Arc<Route>>,
    /// To those that have no domain.
    routes: Routes,
    /// `None`: the host of a request does not matter, as with most gateways.
    hosts: Option<Box<ByHost>>,
}

/// Where the host of a request matters.
struct ByHost {
    /// To those that have a domain: they come first.
    domains: Hosts<Routes>,
    /// For which requests the others are; `None` is any.
    hostname: Option<Host>,
}

/// The ways to the APIs of one host.
#[derive(Default)]
struct Routes {
    /// Sorted by prefix.
    prefixes: Vec<Prefix>,
    /// Heaviest first.
    patterns: Vec<Arc<Route>>,
}

struct Prefix {
    text: Box<str>,
    route: Arc<Route>,
    /// The longest other prefix that this one begins with.
    parent: Option<usize>,
}

/// Two APIs want one listen path.
pub(crate) struct Conflict {
    pub(crate) api: Arc<Api>,
    pub(crate) taken_by: Arc<str>,
    pub(crate) moved_to: String,
}

/// The host of an API's own, as hosts are compared, and a path: only one API can have both.
type Place = (Option<String>, String);

impl Table {
    /// The table of these APIs. Where two of one host want one listen path, the first keeps it, and the other is moved.
    pub(crate) fn new(apis: Vec<Arc<Api>>, edge: &Edge) -> (Self, Vec<Conflict>) {
        let mut taken: HashMap<Place, Arc<str>> = HashMap::new();
        let mut conflicts = Vec::new();
        let mut routes: Vec<Arc<Route>> = Vec::new();
        let place = |api: &Api, path: &str| -> Place {
            (api.edge.domain.as_deref().map(|domain| key(domain).into_owned()), path.to_owned())
        };
        for api in apis.iter().filter(|api| !api.definition.internal) {
            let mut listen = Arc::clone(&api.listen);
            if let Some(owner) = taken.get(&place(api, listen.as_str())) {
                let mut moved_to = format!("{}-{}", listen.as_str(), api.definition.api_id);
                while taken.contains_key(&place(api, &moved_to)) {
                    moved_to.push('_');
                }
                let taken_by = Arc::clone(owner);
                let Ok(moved) = ListenPath::new(&moved_to) else { continue };
                conflicts.push(Conflict { api: Arc::clone(api), taken_by, moved_to });
                listen = Arc::new(moved);
            }
            taken.insert(place(api, listen.as_str()), Arc::clone(&api.file));
            let weight = listen.weight();
            routes.push(Arc::new(Route { api: Arc::clone(api), listen, strips: true, weight }));
        }
        for api in apis.iter().filter(|api| !api.definition.internal && !api.definition.api_id.is_empty()) {
            let by_id = format!("/{}/", api.definition.api_id);
            if taken.insert(place(api, &by_id), Arc::clone(&api.file)).is_none()
                && let Ok(listen) = ListenPath::new(&by_id)
            {
                let weight = api.listen.weight();
                routes.push(Arc::new(Route { api: Arc::clone(api), listen: Arc::new(listen), strips: false, weight }));
            }
        }
        (Self::of(apis, routes, edge), conflicts)
    }

    fn of(apis: Vec<Arc<Api>>, routes: Vec<Arc<Route>>, edge: &Edge) -> Self {
        let mut here = Vec::new();
        let mut elsewhere: HashMap<String, Vec<Arc<Route>>> = HashMap::new();
        for route in routes {
            match route.api.edge.domain.as_deref() {
                None => here.push(route),
                Some(domain) => elsewhere.entry(key(domain).into_owned()).or_default().push(route),
            }
        }
        let mut domains = Hosts::default();
        for (domain, routes) in elsewhere {
            // One that is no pattern is told when its API loads, and no request can be for it.
            if let Ok(host) = Host::new(&domain) {
                domains.insert(host, Routes::of(routes));
            }
        }
        let hostname = edge.hostname.as_deref().and_then(|name| Host::new(name).ok());
        let matters = !domains.is_empty() || hostname.is_some();
        let hosts = matters.then(|| Box::new(ByHost { domains, hostname }));
        let route =
            |api: &Arc<Api>| Route { api: Arc::clone(api), listen: Arc::clone(&api.listen), strips: true, weight: 0 };
        // Of several with one id, the first is served.
        let inside: HashMap<Box<str>, Arc<Route>> =
            apis.iter().rev().map(|api| (api.definition.api_id.as_str().into(), Arc::new(route(api)))).collect();
        // An id is never taken for the name of another.
        let names = apis.iter().rev().map(|api| (loop_name(&api.definition.name), api));
        let ids = apis.iter().rev().map(|api| (api.definition.id.clone(), api));
        let named = names.chain(ids).filter(|(name, _)| !name.is_empty());
        let named =
            named.filter_map(|(name, api)| Some((name.into(), Arc::clone(inside.get(&*api.definition.api_id)?))));
        let named = named.collect();
        Self { apis, inside, named, routes: Routes::of(here), hosts }
    }

    /// The API for a path of a host: the longest listen path wins. The host is asked for only where it matters.
    pub(crate) fn find<'h>(
        &self,
        host: impl FnOnce() -> Option<&'h str>,
        path: &str,
        strict: bool,
    ) -> Option<&Arc<Route>> {
        let found = match &self.hosts {
            None => self.routes.find(path)?,
            Some(hosts) => self.find_by_host(hosts, host().unwrap_or_default(), path)?,
        };
        let prefix = found.listen.as_str();
        (!strict || found.listen.is_pattern() || ends_segment(prefix, path)).then_some(found)
    }

    fn find_by_host<'a>(&'a self, hosts: &'a ByHost, host: &str, path: &str) -> Option<&'a Arc<Route>> {
        let mut best: Option<&Arc<Route>> = None;
        hosts.domains.each(host, |routes| {
            if let Some(route) = routes.find(path)
                && best.is_none_or(|best| best.weight < route.weight)
            {
                best = Some(route);
            }
        });
        let is_here = || hosts.hostname.as_ref().is_none_or(|hostname| hostname.is_for(host));
        best.or_else(|| if is_here() { self.routes.find(path) } else { None })
    }

    pub(crate) fn apis(&self) -> &[Arc<Api>] {
        &self.apis
    }

    /// The same, by its id, its id in Tyk's database, or its name. Source: gateway.md §5.6.
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Route>> {
        let found = self.inside(name).or_else(|| self.named.get(name));
        found.or_else(|| self.named.get(&*loop_name(name)))
    }

    /// The way to an API for a request that is inside already, whether the API is `internal` or not.
    pub(crate) fn inside(&self, api_id: &str) -> Option<&Arc<Route>> {
        self.inside.get(api_id)
    }

    pub(crate) fn by_id(&self, api_id: &str) -> Option<&Arc<Api>> {
        self.apis.iter().find(|api| api.definition.api_id == api_id)
    }
}

impl Routes {
    fn of(routes: Vec<Arc<Route>>) -> Self {
        let (mut patterns, plain): (Vec<_>, Vec<_>) = routes.into_iter().partition(|route| route.listen.is_pattern());
        patterns.sort_by_key(|route| std::cmp::Reverse(route.weight));
        let prefix = |route: Arc<Route>| Prefix { text: route.listen.as_str().into(), route, parent: None };
        let mut prefixes: Vec<Prefix> = plain.into_iter().map(prefix).collect();
        prefixes.sort_by(|a, b| a.text.cmp(&b.text));
        for at in 1..prefixes.len() {
            let mut candidate = Some(at - 1);
            while let Some(other) = candidate {
                if prefixes[at].text.starts_with(&*prefixes[other].text) {
                    break;
                }
                candidate = prefixes[other].parent;
            }
            prefixes[at].parent = candidate;
        }
        Self { prefixes, patterns }
    }

    /// The one for a path: the longest listen path wins.
    fn find(&self, path: &str) -> Option<&Arc<Route>> {
        let plain = self.find_prefix(path);
        let weight = plain.map_or(0, |route| route.weight);
        let mut heavier = self.patterns.iter().take_while(|route| route.weight > weight);
        heavier.find(|route| route.listen.matches(path).is_some()).or(plain)
    }

    /// The heaviest of the prefixes that fit, which are few: each is a prefix of the one before.
    fn find_prefix(&self, path: &str) -> Option<&Arc<Route>> {
        let mut candidate = self.prefixes.partition_point(|prefix| *prefix.text <= *path).checked_sub(1);
        let mut best: Option<&Arc<Route>> = None;
        while let Some(at) = candidate {
            let prefix = &self.prefixes[at];
            if path.starts_with(&*prefix.text) && best.is_none_or(|best| best.weight < prefix.route.weight) {
                best = Some(&prefix.route);
            }
            candidate = prefix.parent;
        }
        best
    }
}

/// The name of an API as URLs have it: in lower case, with `-` for whatever is neither a letter nor a digit, and without
/// its categories.
fn loop_name(name: &str) -> String {
    let name = name.split('#').next().unwrap_or_default().trim();
    let mut written = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            c if c.is_ascii_alphanumeric() => written.push(c.to_ascii_lowercase()),
            _ if written.ends_with('-') => {}
            _ => written.push('-'),
        }
    }
    written
}

/// Whether a prefix of `path` ends where a segment does.
fn ends_segment(prefix: &str, path: &str) -> bool {
    prefix.ends_with('/') || path.len() == prefix.len() || path.as_bytes().get(prefix.len()) == Some(&b'/')
}

#[cfg(test)]
mod tests {
    use gateway_model::{ApiDefinition, Proxy};

    use super::*;
    use crate::apis::closed::Closed;
    use crate::apis::edge::ApiEdge;

    fn api(id: &str, listen: &str) -> Arc<Api> {
        api_of(id, "", listen)
    }

    fn api_of(id: &str, domain: &str, listen: &str) -> Arc<Api> {
        let proxy = Proxy { listen_path: listen.into(), ..Proxy::default() };
        let definition = ApiDefinition { api_id: id.into(), domain: domain.into(), proxy, ..ApiDefinition::default() };
        let edge = ApiEdge::closed(&definition, &with_domains());
        let listen = ListenPath::new(listen).expect("a listen path");
        let origin = (format!("{id}.json").into(), "".into());
        Arc::new(Api::broken(Arc::new(definition), Arc::new(listen), origin, edge, Closed::Broken(String::new())))
    }

    fn table(apis: &[(&str, &str)]) -> Table {
        Table::new(apis.iter().map(|(id, listen)| api(id, listen)).collect(), &Edge::default()).0
    }

    fn with_domains() -> Edge {
        Edge { custom_domains: true, ..Edge::default() }
    }

    fn at<'a>(table: &'a Table, host: &str, path: &str) -> Option<&'a str> {
        table.find(|| Some(host), path, false).map(|route| route.api.definition.api_id.as_str())
    }

    fn found<'a>(table: &'a Table, path: &str) -> Option<&'a str> {
        table.find(|| panic!("the host does not matter"), path, false).map(|route| route.api.definition.api_id.as_str())
    }

    #[test]
    fn the_longest_listen_path_wins() {
        let table = table(&[("root", "/"), ("app", "/app/"), ("deep", "/app/deep/"), ("z", "/zoo")]);
        let cases = [
            ("/app/deep/x", "deep"),
            ("/app/deeper", "app"),
            ("/app/a", "app"),
            ("/app", "root"),
            ("/zoology", "z"),
            ("/b", "root"),
        ];
        for (path, expected) in cases {
            assert_eq!(found(&table, path), Some(expected), "{path}");
        }
    }

    #[test]
    fn it_agrees_with_trying_every_prefix() {
        let words = ["", "a", "ab", "abc", "b", "ba", "a/", "a/b", "a/b/", "ab/a", "c/"];
        let apis: Vec<_> =
            words.iter().map(|word| (format!("id{word}").replace('/', "."), format!("/{word}"))).collect();
        let listed: Vec<_> = apis.iter().map(|(id, listen)| (id.as_str(), listen.as_str())).collect();
        let table = table(&listed);
        for first in words {
            for second in words {
                let path = format!("/{first}{second}x");
                let longest = listed.iter().filter(|(_, listen)| path.starts_with(listen)).max_by_key(|(_, l)| l.len());
                assert_eq!(found(&table, &path), longest.map(|(id, _)| *id), "{path}");
            }
        }
    }

    #[test]
    fn no_listen_path_no_api() {
        assert_eq!(found(&table(&[("app", "/app/")]), "/other"), None);
        assert_eq!(found(&Table::default(), "/"), None);
    }

    #[test]
    fn every_api_is_also_under_its_id_without_stripping() {
        let table = table(&[("app", "/listen/")]);
        let route = table.find(|| None, "/app/x", false).expect("found by id");
        assert!(!route.strips);
    }

    #[test]
    fn an_id_is_not_before_a_longer_listen_path_of_another() {
        let table = table(&[("orders", "/o/"), ("guarded", "/orders")]);
        assert_eq!(found(&table, "/orders/x"), Some("guarded"));
        assert_eq!(found(&table, "/o/x"), Some("orders"));
    }

    #[test]
    fn strict_routes_end_at_a_slash_and_fall_to_nobody_else() {
        let table = table(&[("app", "/app"), ("root", "/")]);
        let strict = |path| table.find(|| None, path, true).is_some();
        assert!(strict("/app") && strict("/app/x"));
        assert!(!strict("/apple"));
    }

    #[test]
    fn a_pattern_is_as_specific_as_its_fixed_part() {
        let table = table(&[("fixed", "/a/b/"), ("var", "/a/{id}/"), ("root", "/")]);
        assert_eq!(found(&table, "/a/b/x"), Some("fixed"));
        assert_eq!(found(&table, "/a/7/x"), Some("var"));
        assert_eq!(found(&table, "/x"), Some("root"));
    }

    #[test]
    fn the_second_api_on_a_listen_path_is_moved() {
        let (table, conflicts) = Table::new(vec![api("one", "/x"), api("two", "/x")], &Edge::default());
        assert_eq!(found(&table, "/x/y"), Some("one"));
        assert_eq!(found(&table, "/x-two/y"), Some("two"));
        assert_eq!(conflicts[0].moved_to, "/x-two");
        assert_eq!(&*conflicts[0].taken_by, "one.json");
    }

    #[test]
    fn an_internal_api_is_not_routed() {
        let internal = api("inner", "/inner/");
        let mut definition = (*internal.definition).clone();
        definition.internal = true;
        let (listen, origin) = (ListenPath::new("/inner/").expect("a listen path"), ("f".into(), "".into()));
        let internal = Arc::new(Api::broken(
            Arc::new(definition),
            Arc::new(listen),
            origin,
            ApiEdge::default(),
            Closed::Broken(String::new()),
        ));
        let (table, _) = Table::new(vec![internal], &Edge::default());
        assert_eq!(found(&table, "/inner/x"), None);
        assert!(table.by_id("inner").is_some());
    }

    #[test]
    fn an_api_with_a_domain_is_for_that_host_and_comes_before_those_without() {
        let apis = vec![
            api("any", "/app/deep/"),
            api_of("a", "A.example.com", "/app/"),
            api_of("tenant", "{t}.example.com", "/app/deeper/"),
            api_of("ported", "b.example.com:8443", "/"),
        ];
        let (table, conflicts) = Table::new(apis, &with_domains());
        assert!(conflicts.is_empty());
        for (host, path, expected) in [
            ("a.example.com", "/app/x", Some("a")),
            ("A.EXAMPLE.com.:80", "/app/x", Some("a")),
            ("a.example.com", "/app/deep/x", Some("a")),
            ("a.example.com", "/app/deeper/x", Some("tenant")),
            ("x.example.com", "/app/deep/x", Some("any")),
            ("a.example.com", "/other", None),
            ("elsewhere", "/app/deep/x", Some("any")),
            ("elsewhere", "/app/x", None),
            ("a.example.com", "/a/x", Some("a")),
            ("elsewhere", "/a/x", None),
            ("b.example.com:8443", "/x", Some("ported")),
            ("b.example.com", "/x", None),
        ] {
            assert_eq!(at(&table, host, path), expected, "{host}{path}");
        }
    }

    #[test]
    fn one_listen_path_may_be_that_of_an_api_on_each_host() {
        let apis =
            vec![api("any", "/x"), api_of("a", "a.com", "/x"), api_of("b", "b.com", "/x"), api_of("c", "B.com", "/x")];
        let (table, conflicts) = Table::new(apis, &with_domains());
        assert_eq!(conflicts.iter().map(|conflict| &*conflict.moved_to).collect::<Vec<_>>(), ["/x-c"]);
        assert_eq!((at(&table, "a.com", "/x"), at(&table, "b.com", "/x")), (Some("a"), Some("b")));
        assert_eq!((at(&table, "b.com", "/x-c"), at(&table, "c.com", "/x")), (Some("c"), Some("any")));
    }

    #[test]
    fn the_gateways_own_hostname_is_for_those_without_a_domain() {
        let edge = Edge { hostname: Some("gw.example.com".into()), ..with_domains() };
        let (table, _) = Table::new(vec![api("any", "/"), api_of("a", "a.com", "/")], &edge);
        assert_eq!(at(&table, "GW.example.com:8080", "/x"), Some("any"));
        assert_eq!(at(&table, "a.com", "/x"), Some("a"));
        assert_eq!(at(&table, "other", "/x"), None);
    }
}
