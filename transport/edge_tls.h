// EdgeTls: what an EdgeSocket has besides if its application speaks TLS: first the handshake, then the records.
//
// Owner: EdgeSocket. One shard's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "transport/edge_records.h"
#include "transport/tls/handshake.h"
#include "transport/uring/slice_queue.h"

namespace fairlead {

struct EdgeTls {
  std::unique_ptr<Handshake> handshake;  // null once it is over
  std::vector<std::uint8_t> received;    // for the handshake's next step; then what came behind it, still sealed
  std::vector<std::uint8_t> sending;     // what the handshake says
  std::size_t sent = 0;
  std::unique_ptr<EdgeRecords> records;  // once the handshake succeeded
  // What was received and has to wait, in this order. A record is opened as a whole, and its end may be more than the
  // peer has granted; or memory is short.
  SliceQueue ungranted;  // opened
  Slice opening;         // records
  SliceQueue sealed;     // records behind those

  explicit EdgeTls(SliceNodes& nodes) noexcept : ungranted(nodes), sealed(nodes) {}

  bool saying() const noexcept { return sent < sending.size(); }

  bool waits() const noexcept {
    return !ungranted.empty() || !opening.empty() || !sealed.empty() || !received.empty() || records->has_opened();
  }

  void take_output() {
    if (!saying()) {
      sending.clear();
      sent = 0;
    }
    sending.insert(sending.end(), handshake->output().begin(), handshake->output().end());
    handshake->output().clear();
  }
};

}  // namespace fairlead
