// probe_kernel: the running kernel is good enough for these tests, so it passes; what its setup may fail with is turned
// into a sentence that names the cause.
#include "transport/uring/probe.h"

#include <cerrno>
#include <string>

#include <gtest/gtest.h>


namespace fairlead {
namespace {

TEST(ProbeTest, TheLiveKernelIsSupportedAndWhatItLacksIsNamed) {
  const auto features = probe_kernel(live_kernel());
  ASSERT_TRUE(features.has_value()) << features.error().message;
  EXPECT_FALSE(features->release.empty());
  EXPECT_EQ(features->lacking.empty(), features->receive_bundles);
}

// A kernel on which io_uring_setup fails.
class RefusingKernel final : public Kernel {
 public:
  explicit RefusingKernel(int error) : error_(error) {}
  int setup_ring(io_uring&, unsigned, io_uring_params&) noexcept override { return -error_; }
  int enable_ring(io_uring&) noexcept override { return -ENOSYS; }
  void close_ring(io_uring&) noexcept override {}
  int enter(io_uring&, Duration) noexcept override { return -ENOSYS; }
  bool spin(io_uring&, Duration) noexcept override { return false; }
  int register_event(io_uring&, int) noexcept override { return -ENOSYS; }
  int register_buffer_ring(io_uring&, io_uring_buf_reg&) noexcept override { return -ENOSYS; }
  int unregister_buffer_ring(io_uring&, int) noexcept override { return -ENOSYS; }
  int open_socket(int) noexcept override { return -ENOSYS; }
  int set_option(int, int, int, std::span<const std::byte>) noexcept override { return -ENOSYS; }
  int bind_and_listen(int, const Address&, int) noexcept override { return -ENOSYS; }
  int duplicate(int) noexcept override { return -ENOSYS; }
  void unlink_socket(const Address&) noexcept override {}
  int local_address(int, Address&) noexcept override { return -ENOSYS; }
  int peer_address(int, Address&) noexcept override { return -ENOSYS; }
  int milliseconds_since_data(int) noexcept override { return -ENOSYS; }

  TlsEngines tls_engines(int) noexcept override { return {}; }
  int shutdown(int, int) noexcept override { return -ENOSYS; }
  void close(int) noexcept override {}
  void close_with_reset(int) noexcept override {}
  int open_event() noexcept override { return -ENOSYS; }
  void signal_event(int) noexcept override {}
  Instant now() noexcept override { return {}; }
  std::int64_t unix_seconds() noexcept override { return 0; }
  ThreadUsage thread_usage() noexcept override { return {}; }
  void random(std::span<std::uint8_t>) noexcept override {}

 private:
  int error_;
};

struct Refusal {
  int error;
  ErrorCode code;
  const char* says;
};

TEST(ProbeTest, ARefusalNamesItsCause) {
  const Refusal refusals[] = {
      {ENOSYS, ErrorCode::kUnsupported, "no io_uring"},
      {EINVAL, ErrorCode::kUnsupported, "DEFER_TASKRUN"},
      {EPERM, ErrorCode::kUnsupported, "io_uring"},
      {ENOMEM, ErrorCode::kLimit, "LimitMEMLOCK"},
      {EMFILE, ErrorCode::kLimit, "io_uring_setup"},
  };
  for (const Refusal& refusal : refusals) {
    SCOPED_TRACE(refusal.error);
    RefusingKernel kernel(refusal.error);
    const auto features = probe_kernel(kernel);
    ASSERT_FALSE(features.has_value());
    EXPECT_EQ(features.error().code, refusal.code);
    EXPECT_NE(features.error().message.find(refusal.says), std::string::npos) << features.error().message;
  }
}

}  // namespace
}  // namespace fairlead
