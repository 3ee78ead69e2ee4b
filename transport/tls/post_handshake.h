// PostHandshake: what a peer may say with records other than application data once the handshake is over: session
// tickets (taken and dropped: links are long-lived), key updates, alerts. Sans-I/O, no allocation; bounded against
// floods.
//
// It is given the contents of the records that RecordOpener opened, in order, and tells what the session has to do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>

#include "transport/tls/record.h"

namespace fairlead {

class PostHandshake {
 public:
  enum class Role : std::uint8_t { kClient, kServer };  // ours

  enum class Action : std::uint8_t {
    kNone,
    kAdvance,           // RecordOpener::advance_key() before the next record
    kAdvanceAndAnswer,  // the same, and send RecordSealer::key_update(out, false)
  };

  static constexpr std::uint32_t kTicketBytesMax = 128 * 1024;
  static constexpr std::uint32_t kTicketsMax = 64;
  static constexpr std::uint32_t kKeyUpdatesInARowMax = 64;

  explicit PostHandshake(Role role) noexcept : role_(role) {}

  // The contents of a handshake record.
  std::expected<Action, RecordFault> handshake(const std::uint8_t* data, std::size_t size) noexcept;

  // To be called for each record of application data: it must not stand within a handshake message, and ends a row of
  // key updates.
  [[nodiscard]] bool application_data() noexcept {
    key_updates_in_a_row_ = 0;
    return !mid_message();
  }

  struct Alert {
    std::uint8_t level;
    std::uint8_t description;
    bool is_close_notify() const noexcept { return description == 0; }
    // user_canceled says that a close_notify follows; every other alert ends the session at once.
    bool is_ignorable() const noexcept { return description == 90; }
  };
  // The contents of an alert record. Feed Alert::description to error_of_alert() if it is no close_notify.
  static std::expected<Alert, RecordFault> alert(const std::uint8_t* data, std::size_t size) noexcept;

  std::uint32_t tickets() const noexcept { return tickets_; }

 private:
  static constexpr std::uint32_t kMessageHeader = 4;

  bool mid_message() const noexcept { return header_size_ != 0; }
  // Judges the message whose header is whole.
  std::expected<void, RecordFault> begin_message() noexcept;
  std::expected<Action, RecordFault> end_message(std::uint8_t last_byte) noexcept;

  Role role_;
  std::uint8_t header_[kMessageHeader] = {};
  std::size_t header_size_ = 0;  // bytes of the present message's header so far; 0 between messages
  std::uint32_t body_left_ = 0;  // valid once the header is whole
  std::uint32_t tickets_ = 0;
  std::uint32_t key_updates_in_a_row_ = 0;
};

}  // namespace fairlead
