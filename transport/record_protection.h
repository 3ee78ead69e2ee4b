// Who protects the records of a session that is about to begin: decided once, for each direction apart, from what was
// asked for and what the kernel offers; and done. That is the control thread's; the shard then makes the sender and the
// receiver that follow from it.
//
// Without state.
#pragma once

#include <memory>

#include "transport/config.h"
#include "transport/kernel_tls.h"
#include "transport/session.h"

namespace fairlead {

struct SessionProtection {
  Protection send;
  Protection receive;
};

// Hands the keys of `seed` to the kernel, as far as that is wanted and possible, and notes in it what is done. Fails
// only where the kernel is demanded; then the connection is of no use any more.
Result<SessionProtection> protect_records(Kernel& kernel, const KernelTlsFeatures& features, RecordProtection wanted,
                                          SessionSeed& seed);

// Whether a demand for the kernel can be met at all.
Result<void> check_protection(const KernelTlsFeatures& features, RecordProtection wanted, CipherSuite suite);

// Whether KeyUpdates of the peer are followed, whoever protects.
bool takes_key_updates(const KernelTlsFeatures& features, RecordProtection wanted) noexcept;

// `out` and `in` are blocks of the link pool, `pool`; one reference of each is taken over.
std::unique_ptr<RecordSender> make_sender(Kernel& kernel, SessionSeed& seed, Block* out);
// `preloaded`: false if more came early than fits.
std::unique_ptr<RecordReceiver> make_receiver(Kernel& kernel, SessionSeed& seed, BlockPool& pool, Block* in,
                                              bool& preloaded);

}  // namespace fairlead
