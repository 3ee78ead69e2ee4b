// What the two ends of a load say to each other, beyond plain echoes. A client of ours begins with a preamble: kMagic
// and a byte that chooses; to whatever else begins otherwise the server is a plain echo.
//
//   'U'  the client sends until it closes its direction; the server answers with the number of bytes behind the
//        preamble (8 bytes, little-endian) and closes
//   'D'  the server sends until the client closes its direction, and closes
//   'E'  the server sends everything back
//   'O'  the server sends everything back, and closes once the size that stands behind the preamble (4 bytes,
//        little-endian) is sent, so that no port of the client's is left waiting
#pragma once

#include <cstddef>
#include <string_view>

namespace fairlead::load {

inline constexpr std::string_view kMagic = "FLBENCH1";
inline constexpr std::size_t kPreambleBytes = 9;

inline constexpr char kUpload = 'U';
inline constexpr char kDownload = 'D';
inline constexpr char kEcho = 'E';
inline constexpr char kOneRequest = 'O';

}  // namespace fairlead::load
