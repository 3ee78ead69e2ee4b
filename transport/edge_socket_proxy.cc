// EdgeSocket's part for the PROXY protocol: the header that a client begins with, and the one that a server is sent.

#include <algorithm>
#include <array>
#include <utility>

#include "transport/edge_socket.h"
#include "transport/opening.h"
#include "transport/shard.h"
#include "transport/wire/client_attributes.h"

namespace fairlead {
namespace {

// Delivered at a time, as a copy.
constexpr std::size_t kEarlyPiece = 2048;

}  // namespace

// ---- from a client

void EdgeSocket::start_preface(Opening& opening) noexcept {
  state_ = State::kPreface;
  opening_ = &opening;
  shard_.timers().arm(deadline_, shard_.now() + shard_.options().handshake_timeout);
  arm_receive();
}

void EdgeSocket::take_preface(Slice bytes) noexcept {
  early_.insert(early_.end(), bytes.data(), bytes.data() + bytes.size());
  if (opening_ == nullptr) return;  // the header came before
  ProxyHeader header;
  const ProxyCheck check = check_proxy_header(early_, header);
  if (check == ProxyCheck::kNeedMore) return;
  if (check != ProxyCheck::kOk) return preface_failed({ErrorCode::kInvalid, std::string(name_of(check))});
  deadline_.cancel();
  early_.erase(early_.begin(), early_.begin() + static_cast<std::ptrdiff_t>(header.size));
  Opening& opening = *std::exchange(opening_, nullptr);
  if (header.addresses.family != ClientAddresses::Family::kUnknown) shard_.describe_client(opening, header.addresses);
  if (group_.options->credentials != nullptr) return start_handshake(opening);
  if (early_.empty()) became_open();
  shard_.lead_client(*this, opening);
}

void EdgeSocket::preface_failed(const Error& error) noexcept {
  ++group_.figures.refused;
  group_.news = {error.code, shard_.peer_of(socket_) + ": " + error.message};
  end(ResetCode::kNone);
}

void EdgeSocket::preface_timed_out() noexcept {
  preface_failed({ErrorCode::kTimeout, "no PROXY protocol header came in time"});
}

void EdgeSocket::deliver_early() noexcept {
  while (!early_.empty() && granted_bytes_ > 0 && peer_ != nullptr && state_ == State::kPreface) {
    const std::size_t size = std::min({early_.size(), kEarlyPiece, static_cast<std::size_t>(granted_bytes_)});
    Slice piece = shard_.copy_small(std::span(early_).first(size));
    if (piece.empty()) return shard_.starve(*this);
    early_.erase(early_.begin(), early_.begin() + static_cast<std::ptrdiff_t>(size));
    granted_bytes_ -= size;
    key_.bytes_in += size;
    peer_->deliver(std::move(piece));
  }
  if (!early_.empty() || state_ != State::kPreface) return;
  early_ = {};
  became_open();
  arm_receive();
}

// ---- to a server

std::size_t EdgeSocket::proxy_header(std::span<std::uint8_t, kProxyHeaderSentMax> room) const noexcept {
  const ClientAttributes client = ClientAttributes::decode(opening_->attributes());
  return fairlead::put_proxy_header(group_.options->send_proxy, client.addresses,
                                    {.name = opening_->name, .site_id = client.site_id}, room);
}

// In front of all that the client has sent. False: there was no memory for it, and the connection ends.
bool EdgeSocket::put_proxy_header() noexcept {
  std::array<std::uint8_t, kProxyHeaderSentMax> header{};
  const std::size_t size = proxy_header(header);
  Slice slice = shard_.copy_small(std::span(header).first(size));
  if (slice.empty() || !out_.push_front(std::move(slice))) {
    fail(ResetCode::kLimit);
    return false;
  }
  header_bytes_ = static_cast<std::uint32_t>(size);
  mark_dirty();
  return true;
}

}  // namespace fairlead
