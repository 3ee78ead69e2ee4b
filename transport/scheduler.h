// Scheduler: which stream of a session sends next. Deficit round robin (Shreedhar and Varghese, 1995) with a list of
// its own for streams that just became active, which goes first, as in fq_codel (RFC 8290 4.2): a stream with a small
// request does not wait behind bulk, and bulk streams share evenly by bytes.
//
//   activate ──► new ──(quantum used up, still active)──► old ──► old ──► ...
//                 └──(nothing left to send)──► idle ◄──────┘
//
// A new stream that ran empty goes to the end of the old list once before it is idle, so that a stream which comes back
// at once cannot starve the old ones. Pure: no clock, no allocation. Owner: Session; one thread.
#pragma once

#include <cstdint>

#include <boost/intrusive/list.hpp>

namespace fairlead {

class ScheduleEntry
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 private:
  friend class Scheduler;
  std::int32_t deficit_bytes_ = 0;
};

class Scheduler {
 public:
  static constexpr std::int32_t kQuantumBytes = 16 * 1024;
  // Where there is nothing but bulk: what comes in a row is what the far end can give to an application in one send.
  static constexpr std::int32_t kQuantumBytesLong = 64 * 1024;

  // From the next turn of each entry on.
  void set_quantum(std::int32_t bytes) noexcept { quantum_bytes_ = bytes; }

  // The entry has something to send. Nothing happens if it was active already.
  void activate(ScheduleEntry& entry) noexcept {
    if (entry.is_linked()) return;
    entry.deficit_bytes_ = quantum_bytes_;
    fresh_.push_back(entry);
    ++count_;
  }

  void remove(ScheduleEntry& entry) noexcept {
    if (!entry.is_linked()) return;
    // The two lists are not counted, so an entry can leave without saying which one it is in.
    entry.unlink();
    --count_;
  }

  // The entry that may send a frame now; null if none is active. Follow it with sent(). The frame may be larger than
  // what is left of the quantum, and the next turn comes so much later: cut to the quantum, every second frame would be
  // a few bytes long.
  ScheduleEntry* next() noexcept {
    while (true) {
      List& list = fresh_.empty() ? old_ : fresh_;
      if (list.empty()) return nullptr;
      ScheduleEntry& entry = list.front();
      if (entry.deficit_bytes_ > 0) return &entry;
      entry.deficit_bytes_ += quantum_bytes_;
      list.pop_front();
      old_.push_back(entry);
    }
  }

  // What the entry given by next() has sent, and whether it has more.
  void sent(ScheduleEntry& entry, std::uint32_t bytes, bool more) noexcept {
    entry.deficit_bytes_ -= static_cast<std::int32_t>(bytes);
    if (more) return;
    const bool was_fresh = !fresh_.empty() && &fresh_.front() == &entry;
    (was_fresh ? fresh_ : old_).pop_front();
    if (was_fresh && !old_.empty()) {
      old_.push_back(entry);
      return;
    }
    --count_;
  }

  bool empty() const noexcept { return count_ == 0; }

  std::uint32_t count() const noexcept { return count_; }

 private:
  using List = boost::intrusive::list<ScheduleEntry, boost::intrusive::constant_time_size<false>>;

  List fresh_;
  List old_;
  std::uint32_t count_ = 0;
  std::int32_t quantum_bytes_ = kQuantumBytes;
};

}  // namespace fairlead
