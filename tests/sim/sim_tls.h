// SimTls: kernel TLS on a simulated socket, as Linux does it (net/tls): each direction is plain until it has a key.
// From then on what is sent is cut into records, and a receive opens whole records only. It makes its records by
// itself, from the key as the kernel is given it, so that it is also a second opinion on the sequence numbers and keys
// that production hands over.
//
//   receive:  connection ──► raw_ (at most one record that is not whole) ──► opened_ ──► the caller
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <sys/uio.h>

#include "tests/sim/connection.h"
#include "transport/tls/cipher.h"
#include "transport/uring/kernel.h"

namespace fairlead::sim {

// What a simulated host's kernel offers of it.
struct SimTlsOptions {
  bool present = true;
  bool sends = true;
  bool receives = true;
  bool rekeys = true;  // Linux 6.14
  bool nic = false;    // a network card does the work
};

class SimTls {
 public:
  SimTls(const SimTlsOptions& options, Prng& prng) noexcept : options_(options), prng_(prng) {}

  // TLS_TX or TLS_RX.
  int set_key(bool send, std::span<const std::byte> info);

  // Who does the work of each direction.
  TlsEngines engines() const noexcept;

  bool sends() const noexcept { return send_.has_value(); }

  bool receives() const noexcept { return receive_.has_value(); }

  // `type`: of the records.
  int send(Connection& connection, Connection::Side side, std::span<const iovec> from, std::size_t bytes_max,
           std::uint8_t type);
  // `type`: where there is room for it. Without, a record that is no data is -EIO.
  int receive(Connection& connection, Connection::Side side, std::span<const iovec> to, std::size_t bytes_max,
              std::uint8_t* type);
  bool readable(Connection& connection, Connection::Side side);

  // Bytes taken from the connection that nobody has read.
  bool has_unread() const noexcept { return !raw_.empty() || !opened_.empty(); }

 private:
  struct Half {
    Half(CipherSuite cipher, std::span<const std::uint8_t> key) : suite(cipher), aead(cipher, key) {}

    CipherSuite suite;
    Aead aead;
    std::uint8_t iv[kNonceSize];
    std::uint64_t sequence = 0;

    void next_nonce(std::uint8_t (&nonce)[kNonceSize]) noexcept;
  };

  struct Record {
    std::uint8_t type;
    std::vector<std::uint8_t> content;
    std::size_t taken = 0;
  };

  void seal(std::span<const std::uint8_t> content, std::uint8_t type, std::vector<std::uint8_t>& out);
  void fill(Connection& connection, Connection::Side side);
  bool take(Connection& connection, Connection::Side side, std::size_t size);
  int open_record();

  SimTlsOptions options_;
  Prng& prng_;
  std::optional<Half> send_;
  std::optional<Half> receive_;
  std::vector<std::uint8_t> raw_;
  std::deque<Record> opened_;
  bool rekey_pending_ = false;  // a KeyUpdate came, and the key that follows did not
  bool kept_back_ = false;      // a receive opened it, and had to return what was before it
  int error_ = 0;               // of receiving; for good
};

}  // namespace fairlead::sim
