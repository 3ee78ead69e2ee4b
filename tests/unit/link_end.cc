#include "tests/unit/tls_connection.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace fairlead {

namespace {

constexpr int kHangLimitMs = 20'000;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::abort();
}

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

}  // namespace

LoopbackListener::LoopbackListener() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const sockaddr_in address = loopback(0);
  if (fd_ < 0 || bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || listen(fd_, 8) != 0) {
    die("listen");
  }
}

LoopbackListener::~LoopbackListener() {
  close(fd_);
}

std::string LoopbackListener::address() const {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) != 0) die("getsockname");
  return "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
}

int LoopbackListener::accept() const {
  pollfd ready{fd_, POLLIN, 0};
  if (poll(&ready, 1, kHangLimitMs) <= 0) die("nobody connects");
  const int fd = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
  if (fd < 0) die("accept");
  return fd;
}

int connect_to_loopback(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  if (fd < 0 || connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) die("connect");
  return fd;
}

TlsConnection::TlsConnection(int fd, std::unique_ptr<Handshake> handshake, PostHandshake::Role role)
    : fd_(fd), handshake_(std::move(handshake)), post_(role) {}

TlsConnection::~TlsConnection() {
  close(fd_);
}

void TlsConnection::send_bytes(const std::uint8_t* data, std::size_t size) const {
  while (size > 0) {
    const ssize_t count = ::send(fd_, data, size, MSG_NOSIGNAL);
    if (count <= 0) return;  // the peer is gone: the receiving side tells why
    data += count;
    size -= static_cast<std::size_t>(count);
  }
}

bool TlsConnection::receive_bytes() {
  pollfd ready{fd_, POLLIN, 0};
  if (poll(&ready, 1, kHangLimitMs) <= 0) return false;
  std::uint8_t buffer[32 * 1024];
  const ssize_t count = recv(fd_, buffer, sizeof buffer, 0);
  if (count <= 0) return false;
  input_.insert(input_.end(), buffer, buffer + count);
  return true;
}

std::optional<Error> TlsConnection::shake_hands() {
  for (;;) {
    send_bytes(handshake_->output().data(), handshake_->output().size());
    handshake_->output().clear();
    if (!receive_bytes()) return handshake_->closed_by_peer();
    const auto progress = handshake_->feed(std::exchange(input_, {}));
    send_bytes(handshake_->output().data(), handshake_->output().size());
    handshake_->output().clear();
    if (!progress) return progress.error();
    if (*progress == Handshake::Progress::kNeedMore) continue;
    result_ = handshake_->take();
    sealer_.emplace(result_.suite, result_.tx_secret, result_.tx_sequence);
    opener_.emplace(result_.suite, result_.rx_secret, result_.rx_sequence);
    input_ = result_.leftover;
    return std::nullopt;
  }
}

void TlsConnection::send(std::string_view text) {
  Bytes record(kPlaintextMax + kRecordOverhead);
  while (!text.empty()) {
    const std::size_t size = std::min(text.size(), kPlaintextMax);
    Bytes plaintext(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size));
    plaintext.push_back(0);
    send_bytes(record.data(), sealer_->seal(ContentType::kApplicationData, plaintext.data(), size, record.data()));
    text.remove_prefix(size);
  }
}

void TlsConnection::request_key_update() {
  Bytes record(kKeyUpdateRecord);
  send_bytes(record.data(), sealer_->key_update(record.data(), true));
}

void TlsConnection::send_close_notify() {
  Bytes record(kAlertRecord);
  send_bytes(record.data(), sealer_->close_notify(record.data()));
}

bool TlsConnection::receive_until(std::string_view text) {
  while (received_.find(text) == std::string::npos) {
    if (!receive_record()) return false;
  }
  return true;
}

bool TlsConnection::receive_key_update() {
  const std::uint64_t generation = rx_generation();
  while (rx_generation() == generation) {
    if (!receive_record()) return false;
  }
  return true;
}

bool TlsConnection::receive_close() {
  while (receive_record()) {
  }
  return closed_;
}

bool TlsConnection::fault(RecordFault what) {
  error_ = error_of(what);
  return false;
}

bool TlsConnection::receive_record() {
  for (;;) {
    const auto length = RecordOpener::peek(input_.data(), input_.size());
    if (!length) return fault(length.error());
    if (*length != 0 && *length <= input_.size()) return take_record(*length);
    if (!receive_bytes()) return false;
  }
}

bool TlsConnection::take_record(std::size_t length) {
  Bytes record(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(length));
  input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(length));
  const auto opened = opener_->open(record.data(), record.size());
  if (!opened) return fault(opened.error());
  switch (opened->type) {
    case ContentType::kChangeCipherSpec: return true;
    case ContentType::kApplicationData:
      received_.append(opened->data, opened->data + opened->size);
      return post_.application_data() || fault(RecordFault::kMessage);
    case ContentType::kHandshake: {
      const auto action = post_.handshake(opened->data, opened->size);
      if (!action) return fault(action.error());
      if (*action != PostHandshake::Action::kNone) opener_->advance_key();
      if (*action == PostHandshake::Action::kAdvanceAndAnswer) {
        Bytes answer(kKeyUpdateRecord);
        send_bytes(answer.data(), sealer_->key_update(answer.data(), false));
      }
      return true;
    }
    case ContentType::kAlert: {
      const auto alert = PostHandshake::alert(opened->data, opened->size);
      if (!alert) return fault(alert.error());
      closed_ = alert->is_close_notify();
      if (!closed_) error_ = error_of_alert(alert->description, "peer");
      return false;
    }
  }
  return false;
}

}  // namespace fairlead
