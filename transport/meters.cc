#include "transport/meters.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "transport/link_test.h"
#include "transport/session.h"
#include "transport/shard.h"
#include "transport/stream.h"

namespace fairlead {
namespace {

constexpr std::string_view kKeyPrefix = "fairlead ";
// In front of what a source sends, for frame headers; and one byte behind it.
constexpr std::uint32_t kHeadroom = 64;

}  // namespace

std::string_view routing_key_of(MeterService service) noexcept {
  switch (service) {
    case MeterService::kEcho:
      return "fairlead echo";
    case MeterService::kDiscard:
      return "fairlead discard";
    case MeterService::kChargen:
      return "fairlead chargen";
  }
  return {};
}

// ---- MeterEnd

MeterEnd::MeterEnd(Shard& shard) noexcept : shard_(shard), moved_at_(shard.now()) {}

void MeterEnd::grant(std::uint64_t bytes) noexcept {
  room_ += bytes;
  mark_dirty();
}

void MeterEnd::abort(ResetCode code) noexcept {
  if (!over()) lost_ = code;
  sent_fin_ = received_fin_ = true;
}

// The stream parts the two once it has sent all that it holds: until then this end counts.
void MeterEnd::finish() noexcept {
  received_fin_ = true;
}

void MeterEnd::stop() noexcept {
  if (std::exchange(sent_fin_, true)) return;
  if (peer_ != nullptr) peer_->finish();
}

void MeterEnd::release() noexcept {
  held_ = false;
  stop();
}

void MeterEnd::give_up(ResetCode code) noexcept {
  abort_peer(code);
  abort(code);
}

void MeterEnd::send(Slice bytes) noexcept {
  moved_at_ = shard_.now();
  room_ -= bytes.size();
  peer_->deliver(std::move(bytes));
}

void MeterEnd::mark_dirty() noexcept {
  shard_.meters().mark_dirty(*this);
}

void MeterEnd::took(std::uint64_t bytes) noexcept {
  moved_at_ = shard_.now();
  if (peer_ != nullptr) peer_->grant(bytes);
}

// ---- MeterSource

void MeterSource::deliver(Slice bytes) noexcept {
  const std::size_t taken = std::min<std::size_t>(bytes.size(), answer_.size() - answer_size_);
  std::memcpy(answer_.data() + answer_size_, bytes.data(), taken);
  answer_size_ += taken;
  if (taken > 0 && answered()) answered_at_ = shard_.now();
  took(bytes.size());
}

void MeterSource::finish() noexcept {
  MeterEnd::finish();
  stop();
}

void MeterSource::pump() noexcept {
  if (room() == 0) return;
  Block* const payload = shard_.meters().payload();
  if (payload == nullptr) return give_up(ResetCode::kLimit);
  if (bytes_ == 0) began_ = shard_.now();
  const std::uint64_t most = payload->capacity - kHeadroom - 1;
  while (room() > 0) {
    const auto size = static_cast<std::uint32_t>(std::min(room(), most));
    bytes_ += size;
    send(Slice::share(payload, payload->data() + kHeadroom, size));
  }
}

std::uint64_t MeterSource::answer() const noexcept {
  return wire::load<std::uint64_t>(answer_.data());
}

// ---- MeterSink

void MeterSink::deliver(Slice bytes) noexcept {
  if (bytes_ == 0) began_ = shard_.now();
  bytes_ += bytes.size();
  took(bytes.size());
}

void MeterSink::finish() noexcept {
  MeterEnd::finish();
  if (over()) return;
  answer_due_ = true;
  mark_dirty();
}

void MeterSink::pump() noexcept {
  std::array<std::uint8_t, sizeof bytes_> answer{};
  if (!answer_due_ || room() < answer.size()) return;
  answer_due_ = false;
  wire::store<std::uint64_t>(answer.data(), bytes_);
  if (Slice slice = shard_.copy_small(answer); !slice.empty()) send(std::move(slice));
  stop();
}

// ---- MeterEcho

void MeterEcho::deliver(Slice bytes) noexcept {
  if (bytes.size() > held_bytes_.size() - size_) return give_up(ResetCode::kLimit);
  std::memcpy(held_bytes_.data() + size_, bytes.data(), bytes.size());
  size_ += bytes.size();
  mark_dirty();
}

void MeterEcho::finish() noexcept {
  MeterEnd::finish();
  fin_due_ = true;
  mark_dirty();
}

void MeterEcho::pump() noexcept {
  const auto size = static_cast<std::uint32_t>(std::min<std::uint64_t>(size_, room()));
  if (size > 0) {
    Slice slice = shard_.copy_small(std::span(held_bytes_).first(size));
    if (slice.empty()) return give_up(ResetCode::kLimit);
    std::memmove(held_bytes_.data(), held_bytes_.data() + size, size_ - size);
    size_ -= size;
    send(std::move(slice));
    took(size);
  }
  if (fin_due_ && size_ == 0) stop();
}

// ---- MeterProbe

void MeterProbe::deliver(Slice bytes) noexcept {
  const std::uint32_t size = bytes.size();
  for (std::uint32_t at = 0; at < size;) {
    const std::uint32_t part = std::min(size - at, kMessageBytes - partial_);
    std::memcpy(message_.data() + partial_, bytes.data() + at, part);
    at += part;
    partial_ += part;
    if (partial_ < kMessageBytes) break;
    partial_ = 0;
    if (under_way_ == 0) return give_up(ResetCode::kProtocol);  // more than was sent
    --under_way_;
    const auto sent = wire::load<std::uint64_t>(message_.data());
    const Duration sample{static_cast<std::int64_t>(static_cast<std::uint64_t>(shard_.now().ns) - sent)};
    if (sample >= Duration{} && sample < Duration::seconds(60)) round_trips_.push_back(sample);
  }
  took(size);
}

void MeterProbe::probe() noexcept {
  if (under_way_ >= kUnderWayMax) return;
  probe_due_ = true;
  mark_dirty();
}

void MeterProbe::pump() noexcept {
  if (room() < kMessageBytes || !std::exchange(probe_due_, false)) return;
  std::array<std::uint8_t, kMessageBytes> message{};
  wire::store<std::uint64_t>(message.data(), static_cast<std::uint64_t>(shard_.now().ns));
  Slice slice = shard_.copy_small(message);
  if (slice.empty()) return;  // one that is not sent
  ++under_way_;
  send(std::move(slice));
}

// ---- Meters

Meters::Meters(Shard& shard) noexcept : shard_(shard) {}

Meters::~Meters() {
  if (payload_ != nullptr) BlockPool::release(payload_);
}

Block* Meters::payload() noexcept {
  if (payload_ == nullptr) {
    payload_ = shard_.edge_pool().take();
    // It may hold what an application sent.
    if (payload_ != nullptr) std::memset(payload_->data(), 0, payload_->capacity);
  }
  return payload_;
}

bool Meters::is_key(std::string_view routing_key) noexcept {
  return routing_key.starts_with(kKeyPrefix);
}

void Meters::keep(std::unique_ptr<MeterEnd> end) {
  ends_.push_back(std::move(end));
  if (!idle_.armed()) shard_.timers().arm(idle_, shard_.now() + kIdleMax);
}

ResetCode Meters::serve(Stream& stream, std::string_view routing_key) noexcept {
  const Session& session = stream.session();
  std::size_t of_session = 0, of_all = 0;
  for (const auto& end : ends_) {
    if (end->served() == &session) ++of_session;
    if (end->served() != nullptr) ++of_all;
  }
  if (of_session >= kServedOfSessionMax || of_all >= kServedMax) return ResetCode::kLimit;
  std::unique_ptr<MeterEnd> end;
  if (routing_key == routing_key_of(MeterService::kEcho)) end = std::make_unique<MeterEcho>(shard_);
  if (routing_key == routing_key_of(MeterService::kDiscard)) end = std::make_unique<MeterSink>(shard_);
  if (routing_key == routing_key_of(MeterService::kChargen)) end = std::make_unique<MeterSource>(shard_);
  if (end == nullptr) return ResetCode::kNoRoute;
  end->serve_for(session);
  Channel::pair(stream, *end);
  keep(std::move(end));
  stream.opened();
  stream.start_with_edge(0);
  return ResetCode::kNone;
}

ResetCode Meters::open(std::uint64_t session_id, MeterService service, std::unique_ptr<MeterEnd> end) noexcept {
  Session* const session = shard_.find_session(session_id);
  if (session == nullptr) return ResetCode::kLinkLost;
  if (!session->takes_streams()) return ResetCode::kClosing;
  const StreamName name{shard_.options().incarnation, ++next_number_};
  Stream* const stream = session->open_stream({name, 1, {}, routing_key_of(service), {}}, 0);
  if (stream == nullptr) return ResetCode::kLimit;
  Channel::pair(*end, *stream);
  keep(std::move(end));
  stream->start_with_edge(0);
  return ResetCode::kNone;
}

void Meters::begin(std::unique_ptr<LinkTestRun> run) {
  runs_.push_back(std::move(run));
  runs_.back()->start();
}

void Meters::end_test(std::uint64_t test) noexcept {
  for (const auto& run : runs_) {
    if (run->test() == test) run->end();
  }
}

void Meters::stop() noexcept {
  for (const auto& run : runs_)
    run->end();
}

void Meters::on_idle(Instant now) noexcept {
  for (const auto& end : ends_) {
    if (end->served() != nullptr && !end->over() && now - end->moved_at() >= kIdleMax) end->give_up(ResetCode::kIdle);
  }
  if (!ends_.empty()) shard_.timers().arm(idle_, now + kIdleMax / 4);
}

void Meters::mark_dirty(MeterEnd& end) noexcept {
  if (!end.is_linked()) dirty_.push_back(end);
}

void Meters::pump() noexcept {
  // What becomes dirty meanwhile has its turn in the next one.
  decltype(dirty_) now;
  now.swap(dirty_);
  while (!now.empty()) {
    MeterEnd& end = now.front();
    now.pop_front();
    end.pump();
  }
}

void Meters::reap() noexcept {
  std::erase_if(runs_, [](const auto& run) { return run->done(); });
  std::erase_if(ends_, [](const auto& end) { return end->gone(); });
  if (!ends_.empty()) return;
  idle_.cancel();
  if (payload_ != nullptr) BlockPool::release(std::exchange(payload_, nullptr));
}

}  // namespace fairlead
