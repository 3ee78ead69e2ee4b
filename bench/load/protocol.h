// What the load generator's two ends say to each other. The first byte of a connection chooses:
//
//   'U'  the client sends until it closes its direction; the server answers the number of bytes behind the 'U'
//        (8 bytes, little-endian) and closes
//   'E'  the server sends everything back
//   'O'  one request of kRequestBytes, sent back; then the server closes, so that no port of the client's is left
//   waiting
#pragma once

#include <cstddef>

namespace fairlead::load {

inline constexpr char kUpload = 'U';
inline constexpr char kEcho = 'E';
inline constexpr char kOneRequest = 'O';

inline constexpr std::size_t kRequestBytes = 64;

}  // namespace fairlead::load
