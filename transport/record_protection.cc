#include "transport/record_protection.h"

#include <utility>

#include "transport/kernel_records.h"

namespace fairlead {
namespace {

constexpr char kUserSpace[] = "user space";
constexpr char kNoNic[] = "no network card took the keys";

std::string why_not_kernel(const KernelTlsFeatures& features, CipherSuite suite, TlsDirection direction) {
  if (features.offers(suite, direction)) return {};
  if (!features.lacking.empty()) return features.lacking;
  return "this kernel does not protect " + std::string(name_of(suite));
}

// Empty once the kernel has the key, else why it has not.
std::string take_over(Kernel& kernel, const KernelTlsFeatures& features, TlsDirection direction, SessionSeed& seed) {
  const bool sends = direction == TlsDirection::kSend;
  const CipherSuite suite = seed.sealer->suite();
  if (std::string why = why_not_kernel(features, suite, direction); !why.empty()) return why;
  if (!sends && !seed.early.empty()) return "the peer's first records were there before the kernel could take over";
  const TrafficSecret& secret = sends ? seed.sealer->secret() : seed.opener->secret();
  const std::uint64_t sequence = sends ? seed.sealer->records() : seed.opener->records();
  if (const int r = set_kernel_tls_key(kernel, seed.socket.fd(), direction, suite, secret, sequence); r < 0) {
    return error_from_errno(-r, "the kernel did not take the key").message;
  }
  if (!sends) expect_no_padding(kernel, seed.socket.fd());
  return {};
}

Protection protection_of(bool kernel, TlsEngine engine, std::string why_not_kernel) {
  if (!kernel) return {kUserSpace, std::move(why_not_kernel)};
  switch (engine) {
    case TlsEngine::kSoftware:
      return {"kernel (software)", kNoNic};
    case TlsEngine::kNic:
      return {"kernel (NIC)", {}};
    case TlsEngine::kUnknown:
      break;
  }
  return {"kernel", {}};
}

}  // namespace

Result<void> check_protection(const KernelTlsFeatures& features, RecordProtection wanted, CipherSuite suite) {
  if (wanted != RecordProtection::kKernel) return {};
  for (const TlsDirection direction : {TlsDirection::kSend, TlsDirection::kReceive}) {
    if (const std::string why = why_not_kernel(features, suite, direction); !why.empty()) {
      return fail(ErrorCode::kUnsupported, "recordProtection demands the kernel, but " + why);
    }
  }
  return {};
}

Result<SessionProtection> protect_records(Kernel& kernel, const KernelTlsFeatures& features, RecordProtection wanted,
                                          SessionSeed& seed) {
  if (wanted == RecordProtection::kUser) {
    const Protection chosen{kUserSpace, "recordProtection is user"};
    return SessionProtection{chosen, chosen};
  }
  std::string why_not_send;
  std::string why_not_receive;
  const CipherSuite suite = seed.sealer->suite();
  const bool any = features.offers(suite, TlsDirection::kSend) || features.offers(suite, TlsDirection::kReceive);
  if (const int r = any ? attach_kernel_tls(kernel, seed.socket.fd()) : 0; r < 0) {
    why_not_send = why_not_receive = error_from_errno(-r, "the kernel did not take the socket").message;
  } else {
    why_not_receive = take_over(kernel, features, TlsDirection::kReceive, seed);
    why_not_send = take_over(kernel, features, TlsDirection::kSend, seed);
  }
  seed.kernel_sends = why_not_send.empty();
  seed.kernel_receives = why_not_receive.empty();
  seed.kernel_rekeys = features.rekeys;
  if (wanted == RecordProtection::kKernel && !(seed.kernel_sends && seed.kernel_receives)) {
    return fail(ErrorCode::kUnsupported,
                "recordProtection demands the kernel, but " + (seed.kernel_sends ? why_not_receive : why_not_send));
  }
  const bool kernel_does = seed.kernel_sends || seed.kernel_receives;
  const TlsEngines engines = kernel_does ? kernel.tls_engines(seed.socket.fd()) : TlsEngines{};
  return SessionProtection{protection_of(seed.kernel_sends, engines.send, std::move(why_not_send)),
                           protection_of(seed.kernel_receives, engines.receive, std::move(why_not_receive))};
}

bool takes_key_updates(const KernelTlsFeatures& features, RecordProtection wanted) noexcept {
  if (wanted == RecordProtection::kUser || features.rekeys) return true;
  for (const KernelTlsFeatures::Suite& suite : features.suites) {
    if (suite.receive) return false;
  }
  return true;
}

std::unique_ptr<RecordSender> make_sender(Kernel& kernel, SessionSeed& seed, Block* out) {
  if (!seed.kernel_sends) return std::make_unique<SealingSender>(std::move(seed.sealer), out);
  const KernelKey key(kernel, seed.socket.fd(), TlsDirection::kSend, seed.sealer->suite(), seed.sealer->secret(),
                      seed.kernel_rekeys);
  return std::make_unique<KernelSender>(key, out);
}

std::unique_ptr<RecordReceiver> make_receiver(Kernel& kernel, SessionSeed& seed, BlockPool& pool, Block* in,
                                              bool& preloaded) {
  const auto role = seed.dialled ? PostHandshake::Role::kClient : PostHandshake::Role::kServer;
  if (!seed.kernel_receives) {
    auto receiver = std::make_unique<OpeningReceiver>(std::move(seed.opener), role, pool, in);
    preloaded = receiver->preload(seed.early.data(), seed.early.size());
    return receiver;
  }
  const KernelKey key(kernel, seed.socket.fd(), TlsDirection::kReceive, seed.opener->suite(), seed.opener->secret(),
                      seed.kernel_rekeys);
  return std::make_unique<KernelReceiver>(key, role, pool, in);
}

}  // namespace fairlead
