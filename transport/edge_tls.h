// EdgeTls: what an EdgeSocket has more of if its application speaks TLS: the handshake while it lasts, then the records.
//
// Owner: EdgeSocket. One shard's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "transport/edge_records.h"
#include "transport/tls/handshake.h"

namespace fairlead {

struct EdgeTls {
  std::unique_ptr<Handshake> handshake;  // null once it is over
  std::vector<std::uint8_t> received;    // for the handshake's next step; then what came behind it, still sealed
  std::vector<std::uint8_t> sending;     // what the handshake says
  std::size_t sent = 0;
  std::unique_ptr<EdgeRecords> records;  // once the handshake succeeded

  bool saying() const noexcept { return sent < sending.size(); }

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
