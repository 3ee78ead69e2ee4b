// Kernel io_uring ABI that liburing 2.3 and the 6.1 kernel headers (Debian 12) do not declare. The numbers are stable
// kernel ABI; the names are ours so that the header also compiles beside newer liburing headers. Probed at run time,
// by doing (probe.h). IORING_SETUP_NO_SQARRAY is missing on purpose: liburing 2.3 corrupts such a ring.
#pragma once

#include <cstdint>

namespace fairlead::abi {

inline constexpr unsigned kFeatureRecvSendBundle = 1U << 14;  // io_uring_params.features, Linux 6.10
inline constexpr std::uint16_t kRecvSendBundle = 1U << 4;     // sqe->ioprio of RECV and SEND, Linux 6.10

}  // namespace fairlead::abi
