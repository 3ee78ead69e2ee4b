#include "transport/uring/probe.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include <sys/utsname.h>

#include "transport/uring/abi.h"
#include "transport/uring/block_pool.h"
#include "transport/uring/buffer_ring.h"
#include "transport/uring/ring.h"

namespace fairlead {
namespace {

struct RequiredOp {
  int opcode;
  const char* name;
};

constexpr std::array kRequiredOps = {
    RequiredOp{IORING_OP_ACCEPT, "ACCEPT"},   RequiredOp{IORING_OP_CONNECT, "CONNECT"},
    RequiredOp{IORING_OP_RECV, "RECV"},       RequiredOp{IORING_OP_SEND, "SEND"},
    RequiredOp{IORING_OP_SENDMSG, "SENDMSG"}, RequiredOp{IORING_OP_ASYNC_CANCEL, "ASYNC_CANCEL"},
    RequiredOp{IORING_OP_READ, "READ"},
};

std::string io_uring_disabled_hint() {
  int value = 0;
  if (std::FILE* file = std::fopen("/proc/sys/kernel/io_uring_disabled", "r"); file != nullptr) {
    const bool known = std::fscanf(file, "%d", &value) == 1;
    std::fclose(file);
    if (known && value != 0) {
      return "io_uring is switched off on this host (sysctl kernel.io_uring_disabled=" + std::to_string(value) +
             "); set it to 0, or to 1 and run with CAP_SYS_ADMIN";
    }
  }
  return "io_uring is forbidden to this process, most often by a container's seccomp profile; allow io_uring_setup, "
         "io_uring_enter and io_uring_register there";
}

Error explain_setup_failure(const Error& error, int errno_value) {
  switch (errno_value) {
    case EPERM:
      return {ErrorCode::kUnsupported, io_uring_disabled_hint()};
    case ENOSYS:
      return {ErrorCode::kUnsupported, "this kernel has no io_uring; fairlead needs Linux 6.1 or later"};
    case EINVAL:
      return {ErrorCode::kUnsupported,
              "this kernel's io_uring lacks SINGLE_ISSUER or DEFER_TASKRUN; fairlead needs Linux 6.1 or later"};
    case ENOMEM:
      return {ErrorCode::kLimit, "io_uring_setup: not enough locked memory; raise LimitMEMLOCK (ulimit -l)"};
    default:
      return error;
  }
}

}  // namespace

Result<KernelFeatures> probe_kernel(Kernel& kernel) {
  KernelFeatures features;
  if (utsname name; ::uname(&name) == 0) features.release = name.release;

  io_uring raw{};
  io_uring_params params;
  if (const int r = kernel.setup_ring(raw, 8, params); r < 0) {
    return std::unexpected(explain_setup_failure(error_from_errno(-r, "io_uring_setup"), -r));
  }
  std::unique_ptr<io_uring_probe, decltype(&std::free)> ops(io_uring_get_probe_ring(&raw), &std::free);
  kernel.close_ring(raw);
  if (!ops)
    return fail(ErrorCode::kUnsupported, "this kernel cannot list its io_uring operations; fairlead needs Linux 6.1");
  for (const RequiredOp& op : kRequiredOps) {
    if (!io_uring_opcode_supported(ops.get(), op.opcode)) {
      return fail(ErrorCode::kUnsupported,
                  std::string("this kernel's io_uring lacks ") + op.name + "; fairlead needs Linux 6.1 or later");
    }
  }

  auto ring = Ring::open(kernel, 8);
  if (!ring) return std::unexpected(ring.error());
  auto pool = BlockPool::open(4096, BufferRing::kLentCount);
  if (!pool) return std::unexpected(pool.error());
  auto buffers = BufferRing::open(**ring, **pool, 1);
  if (!buffers) return std::unexpected(buffers.error());

  features.receive_bundles = (*ring)->bundles();
  if (!features.receive_bundles) {
    features.lacking.emplace_back("receive bundles (Linux 6.10): large transfers take more system calls");
  }
  return features;
}

}  // namespace fairlead
