//! What the first message of a stream tells about the node.

use std::fs;
use std::path::Path;

use prost::Message;

use crate::proto::v3;

const SECOND_NS: u64 = 1_000_000_000;

/// A node with more interfaces (veth pairs) reports this many: the message must stay small.
const INTERFACES: usize = 512;

/// The node's description, encoded as a message that any other can be appended to.
pub fn node_message(name: &str, cluster: &str, boot_wall_ns: u64) -> Vec<u8> {
    let node = v3::EbpfAccessLogNodeInfo {
        name: name.to_owned(),
        net_interfaces: interfaces(Path::new("/sys/class/net")),
        boot_time: Some(v3::Instant {
            seconds: i64::try_from(boot_wall_ns / SECOND_NS).unwrap_or(i64::MAX),
            nanos: (boot_wall_ns % SECOND_NS) as i32,
        }),
        cluster_name: cluster.to_owned(),
        policy: None,
    };
    v3::EbpfAccessLogMessage { node: Some(node), ..Default::default() }.encode_to_vec()
}

/// Interfaces of the namespace that rover runs in, by index. One that goes away meanwhile is left out.
fn interfaces(folder: &Path) -> Vec<v3::EbpfAccessLogNodeNetInterface> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let number =
        |path: &Path, file: &str| -> Option<i32> { fs::read_to_string(path.join(file)).ok()?.trim().parse().ok() };
    let mut found: Vec<_> = entries
        .flatten()
        .filter_map(|entry| {
            let path = entry.path();
            Some(v3::EbpfAccessLogNodeNetInterface {
                index: number(&path, "ifindex")?,
                mtu: number(&path, "mtu")?,
                name: entry.file_name().into_string().ok()?,
            })
        })
        .collect();
    found.sort_by_key(|interface| interface.index);
    found.truncate(INTERFACES);
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_node_message_can_be_put_before_any_other() {
        let mut bytes = node_message("node-a", "cl", 1_795_261_575_851_275_664);
        bytes.extend(v3::EbpfAccessLogMessage { rover_record: "{}".to_owned(), ..Default::default() }.encode_to_vec());
        let message = v3::EbpfAccessLogMessage::decode(bytes.as_slice()).unwrap();
        let node = message.node.unwrap();
        let boot = node.boot_time.unwrap();
        assert_eq!((node.name.as_str(), node.cluster_name.as_str()), ("node-a", "cl"));
        assert_eq!((boot.seconds, boot.nanos), (1_795_261_575, 851_275_664));
        assert_eq!(message.rover_record, "{}");
        assert!(node.net_interfaces.iter().any(|interface| interface.name == "lo" && interface.index > 0));
    }

    #[test]
    fn a_machine_without_that_folder_has_no_interfaces() {
        assert!(interfaces(Path::new("/nonexistent")).is_empty());
    }
}
