//! Mistakes in what decides where a request goes, how long it may take there, and when it is not sent at all.

use super::{Check, has_scheme_and_host, path};
use crate::duration::duration;
use crate::json_path::JsonPath;
use crate::proxy::Proxy;
use crate::version::{CircuitBreaker, EndpointRate, HardTimeout, Version};

/// What clients may speak.
const PROTOCOLS: [&str; 4] = ["", "http", "https", "h2c"];

impl Check<'_> {
    pub(super) fn traffic(&mut self) {
        let protocol = self.api.protocol.trim();
        if matches!(protocol, "tcp" | "tls") {
            let reason =
                format!("`{protocol}` is not served: this gateway forwards HTTP, not raw connections; leave it out");
            self.error(path(&["protocol"]), reason);
        } else if !PROTOCOLS.contains(&protocol) {
            let reason = format!("unknown protocol `{protocol}`; protocols are `http`, `https`, `h2c`, or none");
            self.error(path(&["protocol"]), reason);
        }
        if u16::try_from(self.api.listen_port).is_err() {
            self.error(
                path(&["listen_port"]),
                format!("`{}` is not a port: ports are up to 65535", self.api.listen_port),
            );
        }
        self.global_rate();
        let proxy = &self.api.proxy;
        if proxy.enable_load_balancing {
            self.target_list(proxy, protocol);
        } else if !proxy.target_list.is_empty() {
            let reason = "has no effect: `enable_load_balancing` is false, so requests go to `target_url`";
            self.warning(path(&["proxy", "target_list"]), reason);
        }
    }

    /// The rate of the API as a whole.
    fn global_rate(&mut self) {
        let global = &self.api.global_rate_limit;
        let at = path(&["global_rate_limit"]);
        if global.disabled || global.rate == 0.0 {
            return;
        }
        if self.api.disable_rate_limit {
            self.warning(at, "has no effect: `disable_rate_limit` is true");
        } else if global.per <= 0.0 {
            self.warning(at.key("per"), "is not above 0, so nothing is limited; write seconds");
        }
    }

    fn target_list(&mut self, proxy: &Proxy, protocol: &str) {
        let list = path(&["proxy", "target_list"]);
        if proxy.target_list.is_empty() {
            let reason = "is empty, and `enable_load_balancing` is true: name the targets, or set it to false to use \
                          `target_url`";
            self.error(list, reason);
            return;
        }
        for (index, target) in proxy.targets(protocol).enumerate() {
            if !has_scheme_and_host(&target) {
                let reason =
                    format!("`{}` is not of the form `[scheme://]host[:port][/path]`", proxy.target_list[index]);
                self.error(list.index(index), reason);
            }
        }
    }

    /// The times and the breakers of a version.
    pub(super) fn version_traffic(&mut self, at: &JsonPath, version: &Version) {
        let global = &version.global_enforce_timeout;
        if !version.global_enforce_timeout_disabled
            && let Err(error) = duration(global)
        {
            self.error(at.key("global_enforce_timeout"), error.to_string());
        }
        let paths = &version.extended_paths;
        let timeouts = paths.hard_timeouts.iter().enumerate().filter(|(_, entry)| !entry.disabled);
        let breakers = paths.circuit_breakers.iter().enumerate().filter(|(_, entry)| !entry.disabled);
        let (timeouts, breakers): (Vec<_>, Vec<_>) = (timeouts.collect(), breakers.collect());
        let rates: Vec<_> = paths.rate_limit.iter().enumerate().filter(|(_, entry)| !entry.disabled).collect();
        let lists = at.key("extended_paths");
        if !version.use_extended_paths {
            let used = [
                ("hard_timeouts", !timeouts.is_empty()),
                ("circuit_breakers", !breakers.is_empty()),
                ("rate_limit", !rates.is_empty()),
            ];
            for (list, _) in used.into_iter().filter(|(_, used)| *used) {
                self.warning(lists.key(list), "has no effect: `use_extended_paths` of this version is false");
            }
            return;
        }
        for (index, entry) in timeouts {
            let at = lists.key("hard_timeouts").index(index);
            self.endpoint(&at, &entry.path, &entry.method);
            self.hard_timeout(&at, entry);
        }
        for (index, entry) in breakers {
            let at = lists.key("circuit_breakers").index(index);
            self.endpoint(&at, &entry.path, &entry.method);
            self.circuit_breaker(&at, entry);
        }
        for (index, entry) in rates {
            let at = lists.key("rate_limit").index(index);
            self.endpoint(&at, &entry.path, &entry.method);
            self.endpoint_rate(&at, entry);
        }
    }

    fn endpoint_rate(&mut self, at: &JsonPath, entry: &EndpointRate) {
        if self.api.disable_rate_limit {
            self.warning(at.clone(), "has no effect: `disable_rate_limit` is true");
        } else if entry.rate <= 0.0 {
            self.warning(at.key("rate"), "is not above 0, so nothing is limited; write requests per `per` seconds");
        } else if entry.per <= 0.0 {
            self.warning(at.key("per"), "is not above 0, so nothing is limited; write seconds");
        }
    }

    pub(super) fn endpoint(&mut self, at: &JsonPath, path: &str, method: &str) {
        if path.is_empty() {
            self.error(at.key("path"), "is empty; say which path it is for");
        }
        if method.is_empty() {
            self.warning(at.key("method"), "is empty, so no request is meant; say which method it is for");
        }
        self.method(at, method);
    }

    pub(super) fn method(&mut self, at: &JsonPath, method: &str) {
        if method.contains(|c: char| c.is_ascii_lowercase()) {
            let reason = format!(
                "`{method}` is no method that clients send, so no request is meant; write `{}`",
                method.to_ascii_uppercase()
            );
            self.warning(at.key("method"), reason);
        }
    }

    fn hard_timeout(&mut self, at: &JsonPath, entry: &HardTimeout) {
        if entry.timeout < 0 {
            self.error(at.key("timeout"), format!("`{}` is negative; write seconds", entry.timeout));
        }
        match entry.limit() {
            Err(error) => self.error(at.key("duration"), error.to_string()),
            Ok(None) if entry.timeout == 0 => {
                self.warning(at.key("timeout"), "is 0, so there is no bound; write seconds, or a `duration`");
            }
            Ok(_) => {}
        }
    }

    fn circuit_breaker(&mut self, at: &JsonPath, entry: &CircuitBreaker) {
        let share = entry.threshold_percent;
        if share == 0.0 {
            let reason =
                "is 0, so that a single failure opens it, however many answers are good; write a share such as `0.5`";
            self.warning(at.key("threshold_percent"), reason);
        } else if share < 0.0 {
            self.error(at.key("threshold_percent"), format!("`{share}` is negative; write a share from 0 to 1"));
        } else if share > 1.0 {
            let reason = format!("`{share}` is never reached: it is a share from 0 to 1; write `0.5` for one half");
            self.warning(at.key("threshold_percent"), reason);
        }
        if entry.samples < 0 {
            self.error(at.key("samples"), format!("`{}` is negative; write a number of answers", entry.samples));
        }
        match entry.return_to_service_after {
            0 => {
                let reason = "is 0, so the breaker closes as soon as it opens; write seconds";
                self.warning(at.key("return_to_service_after"), reason);
            }
            seconds if seconds < 0 => {
                self.error(at.key("return_to_service_after"), format!("`{seconds}` is negative; write seconds"));
            }
            _ => {}
        }
    }
}
