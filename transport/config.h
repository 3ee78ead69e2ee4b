// What a user of the transport hands in (…Config) and gets to see (…Status). Plain values: copied between threads,
// never shared. All names are unique within their kind.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "transport/base/error.h"
#include "transport/base/time.h"
#include "transport/edge_options.h"
#include "transport/figures.h"
#include "transport/forwarder.h"
#include "transport/routing_keys.h"
#include "transport/tls/cipher.h"
#include "transport/tls/record.h"

namespace fairlead {

class Credentials;

struct HostPort {
  std::string host;  // IPv4 or IPv6 literal (without brackets), or a name; "unix:/path", which has no port
  std::uint16_t port = 0;

  friend bool operator==(const HostPort&, const HostPort&) = default;
};

inline constexpr std::string_view kUnixPrefix = "unix:";  // of a host that is a Unix socket's path

inline bool is_unix_host(std::string_view host) noexcept { return host.starts_with(kUnixPrefix); }

// "host:port", with brackets around an IPv6 literal; "unix:/path".
std::string to_string(const HostPort& endpoint);

// Where records of links are protected.
enum class RecordProtection : std::uint8_t {
  kAuto,    // in the kernel, as far as it can, else in user space
  kKernel,  // in the kernel or not at all
  kUser,
};

struct TransportOptions {
  unsigned shards = 1;
  std::string site_id;
  std::string site_name;
  std::uint64_t incarnation = 0;  // of this process: never the same twice for a site id

  Duration silent_limit = Duration::milliseconds(400);    // a session silent for this and two round trips is dead
  Duration dial_timeout = Duration::seconds(5);           // TCP connect, each address
  Duration handshake_timeout = Duration::seconds(5);      // from accept or connect to the end of HELLO
  Duration connect_timeout = Duration::seconds(10);       // a connector to its server
  Duration health_interval = Duration::seconds(5);        // between probes of a server that answers
  Duration health_retry = Duration::milliseconds(500);    // and of one that does not
  Duration health_timeout = Duration::seconds(2);         // for a probe's connect
  Duration redial_min = Duration::milliseconds(50);       // first retry; doubles, with jitter, up to the maximum
  Duration redial_max = Duration::milliseconds(1500);     // a peer that returns is linked within two seconds

  std::uint32_t initial_window_bytes = 64 * 1024;         // credit of a stream before the receiver has said anything
  std::uint32_t window_bytes_max = 64 * 1024 * 1024;      // what a stream's window may grow to
  std::uint64_t window_budget_bytes = 256 * 1024 * 1024;  // sum of what windows may grow beyond the initial, per shard
  std::uint32_t streams_per_session_max = 65'536;
  std::uint32_t connections_per_shard_max = 131'072;
  std::uint32_t handshakes_max = 256;   // unauthenticated peers at a time
  std::uint32_t edge_blocks = 1024;     // 64 KiB each, per shard
  std::uint32_t link_blocks = 1024;     // 256 KiB each, per shard
  std::uint32_t small_blocks = 65'536;  // 4 KiB each, per shard
  std::uint64_t records_per_key = kRecordsPerKey;  // of a session and direction; then the key is replaced
  RecordProtection record_protection = RecordProtection::kAuto;
  std::vector<CipherSuite> cipher_suites = default_suites();  // of links, the most wanted first; never empty
  Duration spin{};  // how long a shard that has nothing to do looks for it before it sleeps (`latency: low`)
  bool pin_threads = true;
  bool edge = false;  // an edge site: dials interior sites, accepts no links, carries nothing through

  // How long a link that is taken away still carries the connections on it.
  Duration leave_timeout = Duration::seconds(30);

  // What may change while the transport runs.
  void take_live(const TransportOptions& newer) {
    silent_limit = newer.silent_limit;
    records_per_key = newer.records_per_key;
    record_protection = newer.record_protection;
    cipher_suites = newer.cipher_suites;
    spin = newer.spin;
  }
};

struct LinkConfig {
  std::string name;
  std::uint32_t cost = 1;
  std::vector<HostPort> endpoints;  // tried in order, each at all its addresses
  std::shared_ptr<const Credentials> credentials;
  bool present_certificate = true;  // false: noClientAuth
  std::optional<RecordProtection> record_protection;  // none: the site's

  friend bool operator==(const LinkConfig&, const LinkConfig&) = default;
};

struct AccessConfig {
  std::string name;
  std::string role;       // "inter-router" or "edge"
  std::string bind_host;  // empty: all interfaces
  std::uint16_t port = 0;
  std::shared_ptr<const Credentials> credentials;
  bool allow_anonymous = false;

  friend bool operator==(const AccessConfig&, const AccessConfig&) = default;
};

struct ListenerConfig {
  std::string name;
  RoutingKeys routing_keys;
  std::string host;  // empty: all interfaces
  std::uint16_t port = 0;
  Strategy strategy = Strategy::kBalanced;
  EdgeOptions options{};

  friend bool operator==(const ListenerConfig&, const ListenerConfig&) = default;
};

struct ConnectorConfig {
  std::string name;
  std::string routing_key;
  std::string host;
  std::uint16_t port = 0;
  bool probe = true;  // connect to it now and then, and offer it only while that works
  EdgeOptions options{};

  friend bool operator==(const ConnectorConfig&, const ConnectorConfig&) = default;
};

enum class LinkPhase : std::uint8_t {
  kConnecting,  // a dial or handshake is under way
  kWaiting,     // the last attempt failed; the next one is due at next_dial_in
  kUp,          // at least one session carries traffic
  kClosing,     // being shut down
};

struct LastError {
  ErrorCode code = ErrorCode::kSystem;
  std::string message;
  std::int64_t since_unix_s = 0;  // first of an uninterrupted row of the same error
};

// Who protects the records of one direction.
struct Protection {
  std::string by;       // "kernel (NIC)", "kernel (software)", "kernel" (either) or "user space"; empty: not known yet
  std::string why_not;  // there is no better one; empty: there is none
};

// What uses credentials.
enum class CredentialsUser : std::uint8_t { kAccess, kLink, kListener, kConnector };

// Of our end of links, and of connections with TLS.
struct CredentialsStatus {
  std::string subject;             // of our certificate; empty: none is presented
  std::int64_t expires_unix_s = 0;
  std::int64_t ca_expires_unix_s = 0;
  std::string refused;  // why newer ones are not in use; empty: there are none
};

struct LinkStatus {
  std::string name;  // outgoing: of the resource; incoming: of the access that took it, and perhaps others
  bool incoming = false;
  LinkPhase state = LinkPhase::kConnecting;
  std::uint32_t cost = 1;      // as configured here (incoming: as the peer told)
  std::uint32_t routing_cost = 0;  // the larger of both ends', as routing uses it; 0: not known
  std::string url;             // "host:port" dialled, or the peer's address of an incoming link
  std::string remote_site_id;  // known while up, and kept after
  std::string remote_site_name;
  bool remote_edge = false;       // an edge site of ours
  std::int64_t since_unix_s = 0;  // when it came up, or went down (or was made)
  std::optional<LastError> last_error;
  Duration next_dial_in{};
  std::uint64_t dials = 0;
  std::uint64_t ups = 0;  // how often the link came up

  Duration rtt{};  // smoothed; 0: not measured yet
  Duration rtt_min{};
  std::string tls_version;  // "TLSv1.3"
  std::string cipher;       // "TLS_AES_128_GCM_SHA256"
  std::string tls_group;
  bool post_quantum = false;
  CredentialsStatus credentials;
  Protection send_protection;
  Protection receive_protection;
  bool peer_authenticated = false;
  std::string peer_subject;  // common name of the peer's certificate
  std::int64_t peer_certificate_expires_unix_s = 0;
  std::uint32_t sessions_up = 0;
  std::uint32_t sessions_wanted = 0;
  std::uint64_t streams = 0;  // open now
  std::uint64_t streams_total = 0;
  std::uint64_t bytes_in = 0;  // payload of streams
  std::uint64_t bytes_out = 0;
  ResetCounts resets;  // of its streams, whichever end said so
  DurationHistogram round_trips;
  DurationHistogram queueing;  // as in SessionFigures
};

struct AccessStatus {
  std::string name;
  std::string role;
  CredentialsStatus credentials;
  std::uint16_t port = 0;
  bool listening = false;
  std::optional<LastError> last_error;  // of listening
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;              // handshakes that failed
  std::optional<LastError> last_refused;  // with the address of the peer in its message
};

struct ListenerStatus {
  std::string name;
  bool listening = false;
  std::vector<std::string> reachable_keys;  // those for which a connector is known, in the listener's order
  std::optional<LastError> last_error;
  std::uint64_t connections = 0;  // open now
  std::uint64_t connections_total = 0;
  CredentialsStatus credentials;          // with TLS
  std::uint64_t refused = 0;              // clients that did not come in: TLS, PROXY protocol, limit
  std::optional<LastError> last_refused;  // with the address of the client in its message
};

struct ConnectorStatus {
  std::string name;
  std::string routing_key;
  bool available = true;  // offered to clients: its server answers, as far as is known
  std::optional<LastError> last_error;  // of the last connect that failed
  std::uint64_t connections = 0;
  std::uint64_t connections_total = 0;
  std::uint64_t failed = 0;       // connects, and TLS handshakes with the server, that failed
  CredentialsStatus credentials;  // with TLS
};

struct NamedCount {
  std::string name;
  std::uint64_t value = 0;
};

struct ShardStatus {
  Instant at{};  // when the shard told the rest
  ShardUsage usage;
  DurationHistogram turns;  // how long each took, without the time in the kernel
  LoopFigures loop;
  std::vector<NamedCount> counters;
};

struct GatewayStatus {
  std::string site_id;
  std::string site_name;
  unsigned shards = 0;
  std::string kernel_release;
  std::vector<std::string> kernel_lacking;  // sentences
  std::vector<LinkStatus> links;
  std::vector<AccessStatus> accesses;
  std::vector<ListenerStatus> listeners;
  std::vector<ConnectorStatus> connectors;
  std::shared_ptr<const std::vector<KeyStatus>> keys;
  std::vector<ShardStatus> shard_statuses;
  std::vector<NamedCount> counters;  // of all shards and the control thread: limits hit, faults survived
  bool draining = false;
  std::uint64_t connections = 0;  // application connections open now
  Instant alive_at{};             // all threads were alive then; they say so four times a second
};

}  // namespace fairlead
