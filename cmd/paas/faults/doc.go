// Package faults holds the tests of what happens to apps when machines,
// networks and programs fail: the real binary on several machines, each with a
// Docker Engine of its own, under requests all the time.
//
// Each fault of hosts and of the control plane has its test that make
// test-faults runs, here or, with several servers, in cluster. What of it can be
// had in a moment make test has as well, in the packages named behind it.
//
//	R1  a host dies, with all its dynos     TestHostDies (also in make test), TestHostReturns, TestHostWithVolumeDies; scheduler.TestPlanAfterALoss
//	R2  cut off from the control plane      TestPartition, TestRouterCutOff, TestHostWithVolumeIsCutOff; server/fleet.TestControlPlaneAway server/fleet.TestRouterThatIsCutOff
//	R3  cut off one way; a link comes, goes TestOneWayPartition, TestFlappingLink; server/postgres.TestFlappingHostWaits
//	R4  half of the hosts vanish            TestHalfVanish; server.TestGuard server/postgres.TestLossAndGuard
//	R5  an engine hangs                     TestEngineHangs; scheduler/agent/docker.TestEngineHangs scheduler/agent.TestBeatsThroughAPausedEngine
//	R6  an engine is killed                 TestEngineKilled, TestRebootAlone; scheduler/agent.TestRevivesAfterReboot
//	R7  a disk is full                      TestDiskIsFull; scheduler.TestFullDisksRefuseGrowthOnly
//	R8  a leader is stopped and goes on     cluster.TestHostFollowsTheLeader, cluster.TestLeaderChangesOverHosts; server/postgres.TestOneLeader server/fleet.TestSetsAreCounted
//	R9  clocks jump                         cluster.TestClockJumps; server/postgres.TestLeaseAndClocks server.TestNobodyIsLostByAClock server/fleet.TestCertificatesAndClocks
package faults
