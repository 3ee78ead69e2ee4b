// A session's receivers, in user space and behind the kernel: whatever a peer that has the keys sends, and however it
// is cut, the application data that comes out is what went in, in order, and what is kept of it stays as it was.
//
// First byte of the input: bit 0 the receiver, bits 1-2 the cipher suite, bit 3 our role. Steps follow: a byte that
// says what (bits 0-2), and whether to keep what came before (bit 3) or to let it go (bit 4); two bytes of length, or
// of where to cut; and the content.
#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <utility>

#include <linux/tls.h>

#include "tests/fuzz/fuzz_target.h"
#include "transport/kernel_records.h"
#include "transport/tls/record.h"

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

namespace fairlead {
namespace {

constexpr std::uint32_t kBlockSize = 64 * 1024 + sizeof(Block);
constexpr std::uint32_t kBlocks = 8;

TrafficSecret secret_for(CipherSuite suite) {
  return TrafficSecret(Bytes(hash_size(suite), 0x42));
}

// What is common to both: frames are read as a session reads them, and compared with what was sent.
class Harness {
 public:
  virtual ~Harness() { kept_.clear(); }

  enum class Step : std::uint8_t { kData, kHandshake, kAlert, kOtherType, kKeyUpdate, kDamaged, kCut };

  virtual void step(Step step, std::span<const std::uint8_t> content) = 0;

  bool over() const { return over_; }

  void keep_next() { keep_ = true; }

  void let_go() { kept_.clear(); }

 protected:
  void sent(std::span<const std::uint8_t> data) { expected_.insert(expected_.end(), data.begin(), data.end()); }

  // Where the next receive goes; null: there is no memory, which is no fault.
  void read(RecordReceiver& receiver) {
    for (;;) {
      RecordReceiver::Run run;
      switch (receiver.next(run)) {
        case RecordReceiver::Next::kFrames:
          if (!read_frames(receiver, run)) over_ = true;
          break;
        case RecordReceiver::Next::kNeedMore:
          return;
        case RecordReceiver::Next::kClosed:
          over_ = true;
          return;
        case RecordReceiver::Next::kError:
          expect(!receiver.error().message.empty());
          over_ = true;
          return;
      }
      static_cast<void>(receiver.take_key_update_request());
      if (over_) return;
    }
  }

  void end() { over_ = true; }

  std::unique_ptr<BlockPool> pool_ = std::move(*BlockPool::open(kBlockSize, kBlocks));

 private:
  struct Kept {
    Slice slice;
    Bytes copy;

    Kept(Slice of, Bytes as) : slice(std::move(of)), copy(std::move(as)) {}

    ~Kept() { expect(std::equal(copy.begin(), copy.end(), slice.data())); }
  };

  // False: what is no frame ends the session.
  bool read_frames(RecordReceiver& receiver, const RecordReceiver::Run& run) {
    expect(run.data >= run.block->data() && run.data + run.size <= run.block->data() + run.block->capacity);
    std::uint32_t at = 0;
    while (at < run.size) {
      FrameHeader header;
      const FrameCheck check = check_frame({run.data + at, run.size - at}, header);
      if (check == FrameCheck::kNeedMore) {
        receiver.put_back(run.size - at);
        return true;
      }
      if (check != FrameCheck::kOk) return false;
      const std::uint32_t size = kFrameHeaderSize + header.length;
      expect(expected_.size() >= size && std::equal(run.data + at, run.data + at + size, expected_.begin()));
      expected_.erase(expected_.begin(), expected_.begin() + size);
      if (std::exchange(keep_, false) && kept_.size() < 3) {
        kept_.emplace_back(Slice::share(run.block, run.data + at, size), Bytes(run.data + at, run.data + at + size));
      }
      at += size;
    }
    return true;
  }

  std::deque<std::uint8_t> expected_;
  std::deque<Kept> kept_;
  bool keep_ = false;
  bool over_ = false;
};

class OpeningHarness final : public Harness {
 public:
  OpeningHarness(CipherSuite suite, PostHandshake::Role role)
      : sealer_(suite, secret_for(suite), 0),
        receiver_(std::make_unique<RecordOpener>(suite, secret_for(suite), 0), role, *pool_, pool_->take()) {}

  ~OpeningHarness() override { let_go(); }

  void step(Step step, std::span<const std::uint8_t> content) override {
    content = content.first(std::min(content.size(), kPlaintextMax));
    switch (step) {
      case Step::kData:
        sent(content);
        return put(ContentType::kApplicationData, content);
      case Step::kHandshake:
        return put(ContentType::kHandshake, content);
      case Step::kAlert:
        return put(ContentType::kAlert, content);
      case Step::kOtherType:
        return put(static_cast<ContentType>(content.empty() ? 0 : content[0]), content);
      case Step::kKeyUpdate: {
        std::uint8_t record[kKeyUpdateRecord];
        sealer_.key_update(record, !content.empty());
        wire_.insert(wire_.end(), record, record + sizeof record);
        return;
      }
      case Step::kDamaged:
        wire_.insert(wire_.end(), content.begin(), content.end());
        return;
      case Step::kCut:
        return deliver(content.size());
    }
  }

 private:
  void put(ContentType type, std::span<const std::uint8_t> content) {
    Bytes text(content.begin(), content.end());
    text.push_back(0);
    Bytes record(content.size() + kRecordOverhead);
    sealer_.seal(type, text.data(), content.size(), record.data());
    wire_.insert(wire_.end(), record.begin(), record.end());
    if (wire_.size() > kRecordMax) deliver(wire_.size());
  }

  // The first `size` bytes arrive; 0: all.
  void deliver(std::size_t size) {
    std::size_t left = size == 0 ? wire_.size() : std::min(size, wire_.size());
    while (left > 0 && !over()) {
      if (!receiver_.make_room()) return let_go();
      io_uring_sqe sqe{};
      receiver_.prepare_receive(&sqe, 1, false);
      expect(sqe.len > 0);
      const std::size_t part = std::min<std::size_t>(left, sqe.len);
      std::copy_n(wire_.begin(), part, reinterpret_cast<std::uint8_t*>(sqe.addr));
      wire_.erase(wire_.begin(), wire_.begin() + static_cast<std::ptrdiff_t>(part));
      left -= part;
      receiver_.received(static_cast<std::uint32_t>(part));
      read(receiver_);
    }
  }

  RecordSealer sealer_;
  OpeningReceiver receiver_;
  std::deque<std::uint8_t> wire_;
};

// The kernel hands over application data cut anywhere, and each other record by itself. It knows no socket here, so
// that it takes no new key: a KeyUpdate ends the session.
class KernelHarness final : public Harness {
 public:
  KernelHarness(CipherSuite suite, PostHandshake::Role role)
      : receiver_(KernelKey(live_kernel(), -1, TlsDirection::kReceive, suite, secret_for(suite), true), role, *pool_,
                  pool_->take()) {}

  ~KernelHarness() override { let_go(); }

  void step(Step step, std::span<const std::uint8_t> content) override {
    switch (step) {
      case Step::kData:
      case Step::kDamaged:
      case Step::kCut:
        sent(content);
        while (!content.empty() && !over())
          content = content.subspan(receive(23, content));
        return;
      case Step::kHandshake:
      case Step::kKeyUpdate:
        receive(22, content);
        return;
      case Step::kAlert:
        receive(21, content);
        return;
      case Step::kOtherType:
        if (!content.empty() && content[0] != 23) receive(content[0], content);
        return;
    }
  }

 private:
  // Returns how much of it there was room for.
  std::size_t receive(std::uint8_t type, std::span<const std::uint8_t> content) {
    while (!receiver_.make_room()) {
      if (pool_->available() > 0) return content.size();
      let_go();
      if (pool_->available() == 0) return end(), content.size();
    }
    io_uring_sqe sqe{};
    receiver_.prepare_receive(&sqe, 1, false);
    auto& message = *reinterpret_cast<msghdr*>(sqe.addr);
    expect(message.msg_iovlen == 1 && message.msg_iov->iov_len > 0);
    const std::size_t size = std::min(content.size(), message.msg_iov->iov_len);
    if (size == 0) return content.size();
    std::memcpy(message.msg_iov->iov_base, content.data(), size);
    cmsghdr* control = CMSG_FIRSTHDR(&message);
    expect(control != nullptr);
    control->cmsg_level = SOL_TLS;
    control->cmsg_type = TLS_GET_RECORD_TYPE;
    control->cmsg_len = CMSG_LEN(1);
    *CMSG_DATA(control) = type;
    receiver_.received(static_cast<std::uint32_t>(size));
    read(receiver_);
    return type == 23 ? size : content.size();
  }

  KernelReceiver receiver_;
};

void run(Harness& harness, std::span<const std::uint8_t> steps) {
  constexpr std::size_t kStepSize = 3;
  while (steps.size() >= kStepSize && !harness.over()) {
    const std::uint8_t what = steps[0];
    const std::size_t wanted = static_cast<std::size_t>(steps[1]) << 8 | steps[2];
    steps = steps.subspan(kStepSize);
    const auto content = steps.first(std::min(wanted, steps.size()));
    steps = steps.subspan(content.size());
    if ((what & 8) != 0) harness.keep_next();
    if ((what & 16) != 0) harness.let_go();
    harness.step(static_cast<Harness::Step>(std::min(what & 7, 6)), content);
  }
  if (!harness.over()) harness.step(Harness::Step::kCut, {});
}

}  // namespace

void fuzz(std::span<const std::uint8_t> input) {
  const std::uint8_t first = input[0];
  const CipherSuite suite = kDefaultSuites[(first >> 1 & 3) % std::size(kDefaultSuites)];
  const auto role = (first & 8) != 0 ? PostHandshake::Role::kServer : PostHandshake::Role::kClient;
  if ((first & 1) == 0) {
    OpeningHarness harness(suite, role);
    run(harness, input.subspan(1));
  } else {
    KernelHarness harness(suite, role);
    run(harness, input.subspan(1));
  }
}

}  // namespace fairlead
