// What programs that run worlds by seed share: their command line, and the line that replays a failure, which is
// printed even when production code ends the process.
//
//   PROGRAM --seed N [--log]                 one; with --log every event of it
//   PROGRAM --seeds N [--from M]             as many, from M on
//   PROGRAM [--commit HASH]                  those that the program always runs, and one made from a commit
//   ... [--seconds S]                        no further ones after that time
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace fairlead::sim {

struct SeedResult {
  std::string world;                  // with its seed
  std::string summary;                // of what happened
  std::vector<std::string> failures;  // none: it passed
};

using RunSeed = SeedResult (*)(std::uint64_t seed, std::FILE* log);

// Returns the exit code.
int run_seeds(int count, char** values, const std::vector<std::uint64_t>& always, RunSeed run);

}  // namespace fairlead::sim
