//! Refuses clients by their address. Source: Tyk, `gateway/mw_ip_whitelist.go`, `gateway/mw_ip_blacklist.go`.

use std::net::IpAddr;

use gateway_model::{ApiDefinition, JsonPath};
use gateway_sdk::exchange::Exchange;
use ipnet::IpNet;

use super::{PlannedMiddleware, Ran, Step};
use crate::apis::plan::Planning;
use crate::client_ip::client_ip;
use crate::error::RequestError;

pub(super) const STEP: PlannedMiddleware = PlannedMiddleware { name: "ip_access", plan };

struct IpAccess {
    allowed: Vec<IpNet>,
    denied: Vec<IpNet>,
    /// Which entry of `X-Forwarded-For` is the client's.
    depth: i64,
}

fn plan(planning: &mut Planning<'_, '_>) -> Option<Box<dyn Step>> {
    let api = planning.api();
    let allowed = list(planning, "allowed_ips", &api.allowed_ips, api.enable_ip_whitelisting);
    let denied = list(planning, "blacklisted_ips", &api.blacklisted_ips, api.enable_ip_blacklisting);
    let depth = planning.ground().trust.xff_depth;
    let is_asked = !allowed.is_empty() || !denied.is_empty();
    is_asked.then(|| Box::new(IpAccess { allowed, denied, depth }) as Box<dyn Step>)
}

/// A list that counts. A list that is not empty counts whatever its own switch says.
fn list(planning: &mut Planning<'_, '_>, field: &str, entries: &[String], is_enabled: bool) -> Vec<IpNet> {
    let ApiDefinition { ip_access_control_disabled, .. } = planning.api();
    if *ip_access_control_disabled && !is_enabled {
        return Vec::new();
    }
    let mut networks = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        match network(entry) {
            Some(network) => networks.push(network),
            None => {
                let reason = format!(
                    "`{entry}` is neither an address nor a network; write `192.0.2.7`, `192.0.2.0/24` or `2001:db8::/32`"
                );
                planning.refuse(&JsonPath::default().key(field).index(index), reason);
            }
        }
    }
    networks
}

fn network(entry: &str) -> Option<IpNet> {
    let entry = entry.trim();
    entry.parse().ok().or_else(|| entry.parse().map(|address: IpAddr| IpNet::from(address.to_canonical())).ok())
}

impl Step for IpAccess {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let client = client_ip(exchange, self.depth);
        let is_in = |list: &[IpNet]| client.is_some_and(|client| list.iter().any(|network| network.contains(&client)));
        if (!self.allowed.is_empty() && !is_in(&self.allowed)) || is_in(&self.denied) {
            return Err(RequestError::AddressDenied(client));
        }
        Ok(Ran::On)
    }
}
