#pragma once

/// The exit codes of attach, watch and analyze; scripts rely on them (ipcdoctor(1), EXIT STATUS).
namespace ipcdoctor::cmd {

inline constexpr int kNoFinding = 0;  ///< and everything that was needed was seen
inline constexpr int kFinding = 1;    ///< at least one of verdict deadlock or stuck
inline constexpr int kUsage = 2;      ///< also an unreadable snapshot or an unwritable report
inline constexpr int kBlindSpots =
    3;  ///< no finding, but too little was seen to say that all is well
inline constexpr int kNoTarget = 4;  ///< gone, not permitted, or nothing that can be examined

}  // namespace ipcdoctor::cmd
