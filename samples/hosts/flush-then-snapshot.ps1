# flush-then-snapshot.ps1 GROUP DRIVE-LETTER...: flush, then a recovery point. For Windows PowerShell 5.1.
# Not run by the tests: they have no Windows. flush-then-snapshot.sh, which they do run, is for Linux.
#
#   flush-then-snapshot.ps1 orders E, F
#
# Write-VolumeCache writes everything that the file system holds back to the volume. Windows has no command that keeps
# it from changing afterwards: what applications write between the flush and the marker is in the recovery point as after
# a power failure, which NTFS and ReFS get over by themselves. Stop or quiesce the application where the comments say for
# more than that.
param(
    [Parameter(Mandatory = $true, Position = 0)][string] $Group,
    [Parameter(Mandatory = $true, Position = 1)][char[]] $DriveLetter
)

$ErrorActionPreference = 'Stop'

try {
    # (Tell the application to flush and stand still here.)
    foreach ($letter in $DriveLetter) { Write-VolumeCache -DriveLetter $letter }
    & blockferry marker snapshot $Group
    $code = $LASTEXITCODE
}
finally {
    # (Let the application go on here: reached after an error too.)
}
exit $code
