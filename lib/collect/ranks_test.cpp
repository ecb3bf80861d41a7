#include "collect/ranks.h"

#include <gtest/gtest.h>

namespace ipcdoctor::collect {
namespace {

using namespace std::string_literals;

TEST(Ranks, AreReadFromTheVariablesOfTheirLauncher) {
  const snapshot::Rank mpi = parse_rank(
      "PATH=/bin\0SLURM_PROCID=9\0OMPI_COMM_WORLD_RANK=2\0OMPI_COMM_WORLD_SIZE=4\0"
      "PMIX_NAMESPACE=17.1\0"s);
  EXPECT_EQ(mpi.number, 2);
  EXPECT_EQ(mpi.size, 4);
  EXPECT_EQ(mpi.job, "17.1");
  EXPECT_EQ(mpi.source, "OMPI_COMM_WORLD_RANK");

  const snapshot::Rank torch =
      parse_rank("RANK=1\0WORLD_SIZE=2\0MASTER_ADDR=10.0.0.1\0MASTER_PORT=29500\0"s);
  EXPECT_EQ(torch.number, 1);
  EXPECT_EQ(torch.job, "10.0.0.1.29500");

  const snapshot::Rank slurm =
      parse_rank("SLURM_PROCID=0\0SLURM_NTASKS=8\0SLURM_JOB_ID=71\0SLURM_STEP_ID=0\0"s);
  EXPECT_EQ(slurm.size, 8);
  EXPECT_EQ(slurm.job, "71.0");
}

TEST(Ranks, AreNoneWhereTheVariableIsNoNumber) {
  EXPECT_EQ(parse_rank("RANK=first\0WORLD_SIZE=2\0"s).number, -1);
  EXPECT_EQ(parse_rank("RANK=-1\0"s).number, -1);
  EXPECT_EQ(parse_rank("RANK=99999999999\0"s).number, -1);
  EXPECT_EQ(parse_rank("RANK").number, -1);
  EXPECT_EQ(parse_rank("").number, -1);
}

TEST(Ranks, KeepNothingElseOfTheEnvironment) {
  const snapshot::Rank rank = parse_rank("RANK=1\0SECRET=hunter2\0MASTER_ADDR=\x1b[31m\0"s);
  EXPECT_EQ(rank.job.find("hunter2"), std::string::npos);
  EXPECT_EQ(rank.job.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace ipcdoctor::collect
