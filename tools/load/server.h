// The server's end of a load: accepts, and does what each connection asks for (protocol.h); a plain echo to whoever
// asks for nothing. One thread.
#pragma once

#include "transport/base/fd.h"
#include "transport/uring/kernel.h"

namespace fairlead::load {

class Server {
 public:
  // Throws a LoadError if it cannot listen there.
  explicit Server(const Address& address);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Where it listens: also if the port was left open.
  Address address() const;

  // Serves until the process is ended by a signal.
  [[noreturn]] void run();

 private:
  class Clients;

  Fd listener_;
};

}  // namespace fairlead::load
