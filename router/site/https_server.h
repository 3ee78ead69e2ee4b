// HttpsServer: a port where somebody may ask one thing: TLS 1.3 without a client certificate, one HTTP/1.1 request, its
// answer, and the connection ends. Made for strangers: few at a time, few from one address, few a second, little
// memory, little time.
//
// Owner: main thread; its loop's turn() does the work. Ends by close(), and is destroyed once closed().
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "router/site/http_reader.h"
#include "transport/base/error.h"
#include "transport/config.h"
#include "transport/paced_acceptor.h"
#include "transport/side_loop.h"
#include "transport/tls/credentials.h"

namespace fairlead {

class HttpsServer {
 public:
  static constexpr std::size_t kClientsMax = 64;
  static constexpr std::size_t kClientsOfAddressMax = 8;
  static constexpr std::uint64_t kBodyBytesMax = 1024;
  // For handshake and request together.
  static constexpr Duration kRequestTimeout = Duration::seconds(10);

  // `from` is the client's address without its port.
  using Answer = std::function<HttpResponse(const HttpRequest& request, const std::string& from)>;

  HttpsServer(SideLoop& loop, Answer answer);
  ~HttpsServer();
  HttpsServer(const HttpsServer&) = delete;
  HttpsServer& operator=(const HttpsServer&) = delete;

  // Takes clients there, with these credentials, instead of wherever it took them before. An error: nowhere.
  Result<void> listen(const HostPort& address, std::shared_ptr<const Credentials> credentials);
  // Takes no further clients; those that are there are served.
  void stop_listening();

  bool listening() const noexcept { return acceptor_ != nullptr; }

  // That it got, for a port of 0.
  std::uint16_t port() const noexcept { return acceptor_ == nullptr ? 0 : acceptor_->port(); }

  // Forgets what is over. Call after each turn of the loop.
  void reap();
  void close();

  bool closed() const noexcept { return acceptor_ == nullptr && ended_acceptors_.empty() && clients_.empty(); }

 private:
  class Client;

  void accepted(Socket socket, const Address& peer);

  SideLoop& loop_;
  Answer answer_;
  HostPort address_;
  std::shared_ptr<const Credentials> credentials_;
  std::unique_ptr<PacedAcceptor> acceptor_;
  std::vector<std::unique_ptr<PacedAcceptor>> ended_acceptors_;
  std::vector<std::unique_ptr<Client>> clients_;  // the oldest first
};

// "10.0.0.1", "2001:db8::1"; an IPv4 address in IPv6 clothes is one of IPv4.
std::string host_of(const Address& address);

}  // namespace fairlead
