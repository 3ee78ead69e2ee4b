#include "router/site/https_server.h"

#include <algorithm>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "transport/base/log.h"
#include "transport/resolver.h"
#include "transport/tls/handshake.h"
#include "transport/tls_socket.h"

namespace fairlead {

namespace {

constexpr unsigned kBurst = 50;
constexpr Duration kInterval = Duration::milliseconds(20);
constexpr char kHttpAlpn[] = "http/1.1";

}  // namespace

std::string host_of(const Address& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.family() == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6*>(&address.storage)->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&v6)) {
      inet_ntop(AF_INET, &v6.s6_addr[12], text, sizeof text);
    } else {
      inet_ntop(AF_INET6, &v6, text, sizeof text);
    }
  } else {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&address.storage)->sin_addr, text, sizeof text);
  }
  return text;
}

class HttpsServer::Client final : public TlsSocket::Owner {
 public:
  Client(HttpsServer& server, Socket socket, std::unique_ptr<Handshake> handshake, std::string peer, std::string from)
      : server_(server),
        from_(std::move(from)),
        socket_(server.loop_, *this, std::move(socket), std::move(handshake), std::move(peer)) {
    server_.loop_.timers().arm(deadline_, server_.loop_.now() + kRequestTimeout);
  }

  const std::string& from() const noexcept { return from_; }

  void end() noexcept { socket_.end_at_once(); }

  bool over() const noexcept { return socket_.over(); }

  void received(TlsSocket&, std::string_view text) override {
    reader_.put(text);
    auto request = reader_.next();
    if (!request) return answer(request.error(), {});
    if (!*request) return;
    (*request)->keep_alive = false;
    answer(server_.answer_(**request, from_), **request);
  }

  void ended(TlsSocket& socket, const std::optional<Error>& error) override {
    deadline_.cancel();
    if (error) log_debug("{}: {}", socket.peer(), error->message);
  }

 private:
  void answer(const HttpResponse& response, const HttpRequest& request) {
    deadline_.cancel();
    socket_.send(to_bytes(response, request));
    socket_.finish();
  }

  void on_deadline(Instant) noexcept {
    if (reader_.idle()) return socket_.end_at_once();
    answer({408, "the request took too long\n"}, {});
  }

  HttpsServer& server_;
  std::string from_;
  HttpReader reader_{kBodyBytesMax};
  TlsSocket socket_;
  TimerOf<&Client::on_deadline> deadline_{*this};
};

HttpsServer::HttpsServer(SideLoop& loop, Answer answer) : loop_(loop), answer_(std::move(answer)) {}

HttpsServer::~HttpsServer() = default;

Result<void> HttpsServer::listen(const HostPort& address, std::shared_ptr<const Credentials> credentials) {
  credentials_ = std::move(credentials);
  if (acceptor_ != nullptr && address_ == address) return {};
  stop_listening();
  auto opened = PacedAcceptor::open(loop_, address, kBurst, kInterval,
                                    [this](Socket socket, const Address& peer) { accepted(std::move(socket), peer); });
  if (!opened) return std::unexpected(opened.error());
  acceptor_ = std::move(*opened);
  address_ = address;
  return {};
}

void HttpsServer::stop_listening() {
  if (acceptor_ == nullptr) return;
  acceptor_->close();
  ended_acceptors_.push_back(std::move(acceptor_));
}

void HttpsServer::accepted(Socket socket, const Address& peer) {
  std::string from = host_of(peer);
  const auto of_address = [&](const auto& client) { return !client->over() && client->from() == from; };
  if (static_cast<std::size_t>(std::ranges::count_if(clients_, of_address)) >= kClientsOfAddressMax) return;
  std::erase_if(clients_, [](const auto& client) { return client->over(); });
  if (clients_.size() >= kClientsMax) clients_.front()->end();
  auto handshake = Handshake::server(
      credentials_, {.peer = to_string(peer), .alpn = kHttpAlpn, .alpn_required = false, .ask_for_certificate = false});
  if (!handshake) return log_error("a client of the grant server: {}", handshake.error().message);
  clients_.push_back(
      std::make_unique<Client>(*this, std::move(socket), std::move(*handshake), to_string(peer), std::move(from)));
}

void HttpsServer::reap() {
  std::erase_if(clients_, [](const auto& client) { return client->over(); });
  std::erase_if(ended_acceptors_, [](const auto& acceptor) { return acceptor->closed(); });
}

void HttpsServer::close() {
  stop_listening();
  for (const auto& client : clients_)
    client->end();
}

}  // namespace fairlead
