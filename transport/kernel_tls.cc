#include "transport/kernel_tls.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <optional>

#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "transport/tls/key_schedule.h"
#include "transport/uring/op.h"
#include "transport/uring/ring.h"
#include "transport/uring/socket.h"

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

namespace fairlead {
namespace {

constexpr char kUlpName[] = "tls";
constexpr unsigned kRingEntries = 8;
constexpr Duration kConnectWait = Duration::seconds(1);

// The 12 bytes of TLS 1.3's iv are what TLS 1.2 split into salt and explicit nonce, and so does the kernel.
template <class Info>
int set_key(Kernel& kernel, int fd, int option, std::uint16_t cipher, const TrafficKeys& keys,
            std::uint64_t sequence) noexcept {
  Info info{};
  info.info.version = TLS_1_3_VERSION;
  info.info.cipher_type = cipher;
  std::memcpy(info.key, keys.key.data(), sizeof info.key);
  std::memcpy(info.salt, keys.iv.data(), sizeof info.salt);
  std::memcpy(info.iv, keys.iv.data() + sizeof info.salt, sizeof info.iv);
  const std::uint64_t number = std::byteswap(sequence);
  std::memcpy(info.rec_seq, &number, sizeof info.rec_seq);
  const int result = kernel.set_option(fd, SOL_TLS, option, std::as_bytes(std::span(&info, 1)));
  wipe(&info, sizeof info);
  return result;
}

static_assert(sizeof(tls12_crypto_info_aes_gcm_128::salt) + sizeof(tls12_crypto_info_aes_gcm_128::iv) == kNonceSize);
static_assert(sizeof(tls12_crypto_info_aes_gcm_256::salt) + sizeof(tls12_crypto_info_aes_gcm_256::iv) == kNonceSize);
static_assert(sizeof(tls12_crypto_info_chacha20_poly1305::salt) == 0);
static_assert(sizeof(tls12_crypto_info_chacha20_poly1305::iv) == kNonceSize);

// A connection of this process to itself; the other end waits in the backlog and goes with the listener.
class LoopbackConnection {
 public:
  explicit LoopbackConnection(Kernel& kernel) : kernel_(kernel) {}

  // 0, or -errno.
  int open(Ring& ring) noexcept {
    listener_ = Socket(kernel_, kernel_.open_socket(AF_INET));
    client_ = Socket(kernel_, kernel_.open_socket(AF_INET));
    if (!listener_ || !client_) return -EMFILE;
    Address address;
    auto& ipv4 = reinterpret_cast<sockaddr_in&>(address.storage);
    ipv4.sin_family = AF_INET;
    ipv4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.size = sizeof ipv4;
    if (const int r = kernel_.bind_and_listen(listener_.fd(), address, 1); r < 0) return r;
    if (const int r = kernel_.local_address(listener_.fd(), address); r < 0) return r;
    result_ = -ETIMEDOUT;
    ring.submit(connect_,
                [&](io_uring_sqe* sqe) { io_uring_prep_connect(sqe, client_.fd(), address.get(), address.size); });
    const Instant deadline = kernel_.now() + kConnectWait;
    while (connect_.in_flight() && kernel_.now() < deadline)
      ring.turn(deadline - kernel_.now());
    if (connect_.in_flight()) ring.cancel(connect_);
    while (connect_.in_flight())
      ring.turn(kConnectWait);
    return result_;
  }

  int fd() const noexcept { return client_.fd(); }

 private:
  void on_connect(Completion done) noexcept { result_ = done.res; }

  Kernel& kernel_;
  Socket listener_;
  Socket client_;
  int result_ = 0;
  OpOf<&LoopbackConnection::on_connect> connect_{*this};
};

std::string why_not_attached(int error) {
  switch (error) {
    case ENOENT:
      return "this kernel has no TLS, or its module is not loaded: try 'modprobe tls'";
    case ENOPROTOOPT:
      return "this kernel was built without TLS";
    default:
      return "this kernel refuses TLS on a socket: " + error_from_errno(error, "TCP_ULP").message;
  }
}

// Tries one suite on a fresh connection; an errno if the connection is not to be had.
std::optional<int> probe_suite(Kernel& kernel, Ring& ring, CipherSuite suite, KernelTlsFeatures::Suite& offered,
                               bool& rekeys) {
  LoopbackConnection connection(kernel);
  if (const int r = connection.open(ring); r < 0) return -r;
  if (const int r = attach_kernel_tls(kernel, connection.fd()); r < 0) return -r;
  const std::array<std::uint8_t, TrafficSecret::kSizeMax> bytes{};
  const TrafficSecret secret({bytes.data(), hash_size(suite)});
  const auto set = [&](TlsDirection direction) {
    return set_kernel_tls_key(kernel, connection.fd(), direction, suite, secret, 0) == 0;
  };
  offered.receive = set(TlsDirection::kReceive);
  offered.send = set(TlsDirection::kSend);
  rekeys = offered.send && set(TlsDirection::kSend);
  return std::nullopt;
}

}  // namespace

bool KernelTlsFeatures::offers(CipherSuite suite, TlsDirection direction) const noexcept {
  const auto at = static_cast<std::size_t>(std::find(std::begin(kDefaultSuites), std::end(kDefaultSuites), suite) -
                                           std::begin(kDefaultSuites));
  return direction == TlsDirection::kSend ? suites[at].send : suites[at].receive;
}

KernelTlsFeatures probe_kernel_tls(Kernel& kernel) {
  KernelTlsFeatures features;
  auto ring = Ring::open(kernel, kRingEntries);
  if (!ring || !(*ring)->enable()) {
    features.lacking = "whether this kernel has TLS could not be tried";
    return features;
  }
  bool rekeys = true;
  for (std::size_t i = 0; i < features.suites.size(); ++i) {
    bool suite_rekeys = false;
    if (const auto error = probe_suite(kernel, **ring, kDefaultSuites[i], features.suites[i], suite_rekeys)) {
      features.lacking = why_not_attached(*error);
      return features;
    }
    const KernelTlsFeatures::Suite& offered = features.suites[i];
    if (!offered.send || !offered.receive) {
      features.lacking +=
          (features.lacking.empty() ? "this kernel does not protect " : ", ") + std::string(name_of(kDefaultSuites[i]));
    }
    rekeys = rekeys && (suite_rekeys || !offered.send);
  }
  features.rekeys = rekeys && features.suites[0].send;
  return features;
}

int attach_kernel_tls(Kernel& kernel, int fd) noexcept {
  return kernel.set_option(fd, IPPROTO_TCP, TCP_ULP, std::as_bytes(std::span(kUlpName)));
}

int set_kernel_tls_key(Kernel& kernel, int fd, TlsDirection direction, CipherSuite suite, const TrafficSecret& secret,
                       std::uint64_t sequence) noexcept {
  const TrafficKeys keys = derive_keys(suite, secret);
  const int option = direction == TlsDirection::kSend ? TLS_TX : TLS_RX;
  switch (suite) {
    case CipherSuite::kAes128Gcm:
      return set_key<tls12_crypto_info_aes_gcm_128>(kernel, fd, option, TLS_CIPHER_AES_GCM_128, keys, sequence);
    case CipherSuite::kAes256Gcm:
      return set_key<tls12_crypto_info_aes_gcm_256>(kernel, fd, option, TLS_CIPHER_AES_GCM_256, keys, sequence);
    case CipherSuite::kChaCha20Poly1305:
      return set_key<tls12_crypto_info_chacha20_poly1305>(kernel, fd, option, TLS_CIPHER_CHACHA20_POLY1305, keys,
                                                          sequence);
  }
  UNREACHABLE();
}

void expect_no_padding(Kernel& kernel, int fd) noexcept {
  static_cast<void>(kernel.set_option(fd, SOL_TLS, TLS_RX_EXPECT_NO_PAD, 1));
}

}  // namespace fairlead
