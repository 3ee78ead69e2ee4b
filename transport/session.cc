#include "transport/session.h"

#include <algorithm>
#include <cerrno>

#include "transport/base/tracepoint.h"
#include "transport/shard.h"

namespace fairlead {
namespace {

// Bytes of control frames that wait to be sent. A peer that makes us answer (PING, OPEN of unknown keys) and does not
// read its answers reaches this and is cut off.
constexpr std::uint64_t kControlBytesMax = 1024 * 1024;
// A batch while interactive streams are about: a request that comes now waits for this much at most. Measured best
// together with a low-water mark of the same size in the socket.
constexpr std::uint32_t kBatchBytesShort = 64 * 1024;
static_assert(kBatchBytesShort > Ring::kQuietBytesMax);  // see flush()
constexpr std::uint32_t kBatchBytesLong = 240 * 1024;
// How long after a small frame batches stay short.
constexpr Duration kInteractiveMemory = Duration::milliseconds(200);
constexpr std::uint32_t kInteractiveBytes = 1024;
constexpr Duration kRoundTripMin = Duration::microseconds(500);
// So many probes are sent while a peer may be silent: a lost one is sent again by TCP once others follow it.
constexpr std::int64_t kProbesUnheard = 4;
// A probe timer that fires later than this was kept from running.
constexpr Duration kLateMax = Duration::milliseconds(20);
// Shared by the active streams of a session as their backlog.
constexpr std::uint64_t kSessionBacklogBytes = 16 * 1024 * 1024;
constexpr std::uint32_t kControlPartBytes = 2048;
// More than one batch can have.
constexpr std::uint64_t kRecordsPerBatchMax = 4096;

}  // namespace

std::unique_ptr<Session> Session::open(Shard& shard, SessionSeed seed) {
  std::unique_ptr<Session> session(new Session(shard, seed));
  const bool has_tables = session->ours_.complete() && session->theirs_.complete();
  if (has_tables) session->connection_ = TlsConnection::open(*session, shard, seed);
  if (session->connection_ == nullptr) {
    session->state_ = State::kEnded;
    return nullptr;
  }
  session->sends_ = session->receives_ = session->connection_.get();
  return session;
}

void Session::start() noexcept {
  shard_.timers().arm(probe_, shard_.now() + Duration::milliseconds(1));
  process_received();
  arm_receive(*receives_);
}

Session::Session(Shard& shard, const SessionSeed& seed)
    : shard_(shard),
      control_(shard.slice_nodes()),
      router_messages_(shard.slice_nodes()),
      ours_(std::min({shard.options().streams_per_session_max, seed.peer_streams_max, StreamId::kSlotsMax - 1})),
      theirs_(std::min(shard.options().streams_per_session_max, StreamId::kSlotsMax - 1)),
      dialled_(seed.dialled),
      peer_takes_key_updates_(seed.peer_takes_key_updates),
      peer_moves_(seed.peer_moves),
      id_(seed.session_id),
      link_(seed.link),
      peer_initial_window_bytes_(seed.peer_initial_window_bytes),
      last_heard_(shard.now()) {
}

Session::~Session() {
  CHECK(state_ == State::kEnded);
}

// ---- streams

Stream* Session::make_stream(StreamId id, const StreamName& name) noexcept {
  Stream* stream = shard_.streams().make(*this, shard_.slice_nodes(), id, name, peer_initial_window_bytes_,
                                         shard_.options().initial_window_bytes, shard_.now());
  if (stream == nullptr) {
    ++shard_.counters().edges_exhausted;  // a shard has as many slots for streams as for connections
    return nullptr;
  }
  ++figures_.streams_open;
  ++figures_.streams_total;
  return stream;
}

Stream* Session::open_stream(const OpenFrame& open, std::uint8_t flags) noexcept {
  if (!takes_streams()) return nullptr;
  const std::uint32_t slot = ours_.free_slot();
  if (slot == 0) {
    ++shard_.counters().streams_exhausted;
    return nullptr;
  }
  const std::uint16_t generation =
      static_cast<std::uint16_t>((ours_.generation(slot) + 1) & StreamId::kGenerationMask);
  const StreamId id = StreamId::make(dialled_ ? 0 : 1, slot, generation);
  Stream* stream = make_stream(id, open.name);
  if (stream == nullptr) return nullptr;
  ours_.generation(slot) = generation;
  ours_.take(slot, *stream);
  std::uint8_t payload[OpenFrame::kEncodedMax];
  open.encode(payload);
  put_frame(FrameType::kOpen, flags, id.value, {payload, open.encoded_size()});
  // put_frame() may have ended the session, and its streams with it.
  return state_ == State::kUp ? stream : nullptr;
}

Stream* Session::find(StreamId id) noexcept {
  StreamTable& table = (id.side() == 0) == dialled_ ? ours_ : theirs_;
  Stream* stream = table.at(id.slot());
  return stream != nullptr && stream->id() == id ? stream : nullptr;
}

void Session::forget(Stream& stream) noexcept {
  const StreamId id = stream.id();
  const bool is_ours = (id.side() == 0) == dialled_;
  DCHECK(find(id) == &stream);
  is_ours ? ours_.give_back(id.slot()) : theirs_.remove(id.slot());
  scheduler_.remove(stream);
  stream.unlink_credit();
  shard_.window_budget().give_back(stream.window_growth());
  --figures_.streams_open;
  if (leaving_) mark_dirty();
  shard_.reap(stream);
}

void Session::activate(Stream& stream) noexcept {
  scheduler_.activate(stream);
  mark_dirty();
}

void Session::queue_credit(Stream& stream) noexcept {
  if (stream.waits_for_credit_frame()) return;
  credits_.push_back(stream);
  mark_dirty();
}

void Session::send_opened(const Stream& stream) noexcept {
  put_frame(FrameType::kOpened, 0, stream.id().value, {});
}

void Session::reset_stream(Stream& stream, ResetCode code) noexcept {
  put_reset(stream.id(), code);
  // Without memory for the frame the session ended, and its streams with it.
  if (!stream.over()) stream.lose_session(code);
}

std::uint64_t Session::stream_backlog_bytes() const noexcept {
  return std::clamp(kSessionBacklogBytes / (std::uint64_t{scheduler_.count()} + 1), Stream::kBacklogBytesMin,
                    Stream::kBacklogBytes);
}

Instant Session::now() const noexcept {
  return shard_.now();
}

std::uint32_t Session::window_bytes_max() const noexcept {
  return shard_.options().window_bytes_max;
}

WindowBudget& Session::window_budget() noexcept {
  return shard_.window_budget();
}

bool Session::append(SliceQueue& queue, Slice&& bytes) noexcept {
  return shard_.append(queue, std::move(bytes));
}

void Session::release(Opening& opening) noexcept {
  shard_.release(opening);
}

void Session::reopen(Opening& opening, Channel& client, SliceQueue& sent, bool finished, std::uint64_t granted,
                     ResetCode code) noexcept {
  shard_.reopen(opening, client, sent, finished, granted, code);
}

void Session::relieve_streams() noexcept {
  for (StreamTable* table : {&ours_, &theirs_}) {
    for (Stream* stream : table->seen()) {
      if (stream != nullptr) stream->relieve(shard_);
    }
  }
}

Stream* Session::stillest_holder() noexcept {
  Stream* stillest = nullptr;
  for (StreamTable* table : {&ours_, &theirs_}) {
    for (Stream* stream : table->seen()) {
      if (stream == nullptr || stream->queued_bytes() == 0) continue;
      if (stillest == nullptr || stream->moved_at() < stillest->moved_at()) stillest = stream;
    }
  }
  return stillest;
}

// ---- sending

void Session::mark_dirty() noexcept {
  shard_.mark_dirty(*this);
}

void Session::put_frame(FrameType type, std::uint8_t flags, std::uint32_t stream,
                        std::span<const std::uint8_t> payload) noexcept {
  if (!alive() || sends_->close_notify_put()) return;
  const std::uint32_t size = kFrameHeaderSize + static_cast<std::uint32_t>(payload.size());
  SliceQueue& queue = type == FrameType::kControl ? router_messages_ : control_;
  if (queue.bytes() + size > (type == FrameType::kControl ? kRouterBytesMax : kControlBytesMax)) return fail_unread();
  Slice frame = shard_.reserve_small(size);
  if (frame.empty()) return fail(ErrorCode::kLimit, "no memory left for control frames");
  encode_header({static_cast<std::uint16_t>(payload.size()), type, flags, stream}, frame.data());
  std::copy(payload.begin(), payload.end(), frame.data() + kFrameHeaderSize);
  // Frames one behind the other in their block are one slice, and go out in one record.
  if (!queue.empty() && queue.back().block() == frame.block() &&
      queue.back().data() + queue.back().size() == frame.data()) {
    queue.grow_back(size);
  } else if (!queue.push(std::move(frame))) {
    return fail(ErrorCode::kLimit, "no memory left for control frames");
  }
  mark_dirty();
}

void Session::fail_unread() noexcept {
  ++shard_.counters().control_overflows;
  fail(ErrorCode::kLimit, "the peer does not read: more control frames wait for it than may");
}

void Session::put_reset(StreamId id, ResetCode code) noexcept {
  figures_.resets.count(code);
  std::uint8_t payload[4];
  wire::store<std::uint32_t>(payload, static_cast<std::uint32_t>(code));
  put_frame(FrameType::kReset, 0, id.value, payload);
}

void Session::send_control(std::span<const std::uint8_t> message) noexcept {
  std::uint8_t flags = kFlagFirst;
  while (state_ == State::kUp) {
    const std::size_t part = std::min<std::size_t>(message.size(), kControlPartBytes);
    if (part == message.size()) flags |= kFlagLast;
    put_frame(FrameType::kControl, flags, 0, message.first(part));
    message = message.subspan(part);
    if (message.empty()) return;
    flags = 0;
  }
}

void Session::go_away(ResetCode code) noexcept {
  std::uint8_t payload[4];
  wire::store<std::uint32_t>(payload, static_cast<std::uint32_t>(code));
  if (state_ == State::kUp) put_frame(FrameType::kGoAway, 0, 0, payload);
}

void Session::leave() noexcept {
  if (state_ != State::kUp || std::exchange(leaving_, true)) return;
  go_away(ResetCode::kClosing);
  mark_dirty();
}

void Session::put_credits() noexcept {
  // As it is under load: credit that is granted waits for a turn at both ends. That of an idle link nearby is so short
  // that no window would ever be taken within it.
  const Duration round_trip = std::max(Duration::nanoseconds(figures_.rtt_ns), kRoundTripMin);
  while (!credits_.empty() && control_.bytes() < kControlBytesMax / 2) {
    Stream& stream = credits_.front();
    credits_.pop_front();
    std::uint8_t payload[8];
    wire::store<std::uint64_t>(payload, stream.take_credit(shard_.now(), round_trip));
    put_frame(FrameType::kCredit, 0, stream.id().value, payload);
  }
}

bool Session::put_queue(SliceQueue& queue) noexcept {
  while (!queue.empty() && sends_->sender().room()) {
    // A slice is a run of whole frames of at most one small block, which one record takes.
    const Slice run = queue.take_front(UINT32_MAX);
    sends_->sender().put_frames(run.data(), run.size());
  }
  return queue.empty();
}

bool Session::put_control_frames() noexcept {
  return put_queue(control_) && put_queue(router_messages_);
}

std::uint64_t Session::unsent_bytes() const noexcept {
  std::uint64_t bytes = control_.bytes() + router_messages_.bytes() + connection_->sender().pending_bytes();
  if (next_) bytes += next_->sender().pending_bytes();
  return bytes;
}

void Session::put_streams() noexcept {
  RecordSender& sender = sends_->sender();
  const bool interactive = shard_.now() - last_interactive_ < kInteractiveMemory && scheduler_.count() > 1;
  const std::uint32_t batch_bytes = interactive ? kBatchBytesShort : kBatchBytesLong;
  scheduler_.set_quantum(interactive ? Scheduler::kQuantumBytes : Scheduler::kQuantumBytesLong);
  while (sender.room() && sender.pending_bytes() < batch_bytes) {
    ScheduleEntry* entry = scheduler_.next();
    if (entry == nullptr) return;
    Stream& stream = static_cast<Stream&>(*entry);
    bool more = false;
    const std::uint32_t sent = stream.pull(sender, more);
    figures_.bytes_out += sent;
    if (sent > 0) {
      const Duration waited = shard_.now() - stream.moved_at();
      figures_.queueing.record(waited);
      TRACEPOINT(frame_put, id_, stream.id().value, sent, waited.ns);
      stream.note_moved(shard_.now());
    }
    if (sent > 0 && sent <= kInteractiveBytes && !more) last_interactive_ = shard_.now();
    // A stream whose last bytes left is no longer scheduled.
    if (entry->is_linked()) scheduler_.sent(*entry, sent, more);
  }
}

// One key must not protect too many records: it is replaced, which costs one small record, or the whole connection is.
void Session::renew_key() noexcept {
  RecordSender& sender = sends_->sender();
  const bool due = sender.records_of_key() >= shard_.options().records_per_key;
  if (!due && !std::exchange(key_update_wanted_, false)) [[likely]]
    return;
  if (sender.can_update_key() && peer_takes_key_updates_) {
    ++shard_.counters().keys_updated;
    return sender.put_key_update();
  }
  ask_for_renewal();
  if (sender.records_of_key() >= kRecordsPerKeyMax - kRecordsPerBatchMax) {
    fail(ErrorCode::kLimit, "the TLS key is used up, and no fresh connection could take its place");
  }
}

void Session::flush() noexcept {
  if (!alive() || sends_->write_shut()) return;
  if (sends_->sending()) return sends_->expect_sent();
  // A batch that is small enough to be quiet takes all there is; the rest of one that was too large may not.
  const bool fresh = sends_->sender().pending_bytes() == 0;
  if (fresh) fill_batch();
  if (alive()) sends_->send(fresh);
}

void Session::fill_batch() noexcept {
  if (leaving_ && figures_.streams_open == 0) close();
  move_sender();
  renew_key();
  if (!alive()) return;
  put_credits();
  if (!alive()) return;  // put_frame() may end the session
  if (put_control_frames()) put_streams();
  if (state_ == State::kClosing && control_.empty() && router_messages_.empty()) sends_->put_close_notify();
  sends_->sender().flush();
}

void Session::on_sent(TlsConnection& connection, Completion done) noexcept {
  if (state_ == State::kEnding) return join();
  if (connection.write_shut()) return drop_done();  // given up
  int error = 0;
  if (!connection.sent(done, error)) return fail_with_errno(error);
  if (&connection != sends_) {  // the last that it has to send
    connection.send();
    retired_at_ = shard_.now();
    return drop_done();
  }
  if (connection.write_shut()) last_heard_ = shard_.now();  // from now on the peer's end is awaited
  mark_dirty();
}

void Session::on_probe(Instant now) noexcept {
  // Time in which this thread did not run (a busy machine, a paused VM) says nothing about the peer.
  if (const Duration late = now - probe_.deadline(); late > kLateMax) last_heard_ = last_heard_ + late;
  // Nor does time in which we had no memory to listen.
  const bool may_await_connection = now - move_seen_at_ < shard_.options().handshake_timeout || next_seed_;
  if (!receives_->receiving() && (!move_seen_ || may_await_connection)) last_heard_ = now;
  if (now >= give_up_at() && !sends_->write_shut()) {
    // On a slow way a record may take longer to come than a peer may be silent, and the kernel keeps it until it is
    // whole.
    if (const int ago_ms = receives_->socket().milliseconds_since_data(); ago_ms >= 0) {
      last_heard_ = std::max(last_heard_, now - Duration::milliseconds(ago_ms));
    }
  }
  if (now >= give_up_at()) return fail_silent(now - last_heard_);
  drop_overdue(now);
  std::uint8_t payload[8];
  wire::store<std::uint64_t>(payload, static_cast<std::uint64_t>(now.ns));
  if (state_ == State::kUp) put_frame(FrameType::kPing, 0, 0, payload);
  if (alive())
    shard_.timers().arm(probe_, std::min(now + shard_.options().silent_limit / kProbesUnheard, give_up_at()));
}

Instant Session::give_up_at() const noexcept {
  return last_heard_ + shard_.options().silent_limit + Duration::nanoseconds(2 * figures_.rtt_min_ns);
}

// ---- the end

void Session::protocol_error(std::string_view what) noexcept {
  ++shard_.counters().protocol_errors;
  fail({ErrorCode::kProtocol, "the peer broke the link protocol: " + std::string(what)});
}

void Session::fail(ErrorCode code, std::string_view message) noexcept {
  fail({code, std::string(message)});
}

void Session::fail_with_errno(int errno_value) noexcept {
  fail(error_from_errno(errno_value, "connection to the peer"));
}

void Session::fail_with_received() noexcept {
  ++shard_.counters().protocol_errors;
  fail(receives_->receiver().error());
}

void Session::fail_with_receive(int errno_value) noexcept {
  fail(receives_->receiver().error_of_receive(errno_value));
}

void Session::fail_silent(Duration silence) noexcept {
  fail({ErrorCode::kSilent, "the peer answered nothing for " + std::to_string(silence.milliseconds()) + " ms"});
}

void Session::close() noexcept {
  if (state_ != State::kUp) return;
  state_ = State::kClosing;
  for (StreamTable* table : {&ours_, &theirs_}) {
    for (Stream* stream : table->seen()) {
      if (stream != nullptr) reset_stream(*stream, ResetCode::kClosing);
    }
  }
  mark_dirty();
}

void Session::fail(Error error) noexcept {
  if (state_ == State::kEnding || state_ == State::kEnded) return;
  // While closing the peer may well be faster than our close_notify.
  if (state_ == State::kUp) error_ = std::move(error);
  end();
}

void Session::end() noexcept {
  state_ = State::kEnding;
  probe_.cancel();
  next_seed_.reset();
  for (StreamTable* table : {&ours_, &theirs_}) {
    for (Stream* stream : table->seen()) {
      if (stream != nullptr) stream->lose_session(ResetCode::kLinkLost);
    }
  }
  for_each_connection([](TlsConnection& connection) { connection.cancel(); });
  // Reported once the stack has unwound: the caller may be a stream or a frame of this very session.
  join();
}

void Session::join() noexcept {
  bool over = true;
  for_each_connection([&](TlsConnection& connection) { over = over && connection.over(); });
  if (state_ != State::kEnding || !over) return;
  state_ = State::kEnded;
  for_each_connection([](TlsConnection& connection) { connection.socket().close(); });
  shard_.session_ended(*this, error_);
}

}  // namespace fairlead
