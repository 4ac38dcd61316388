# weekly-report.ps1 FOLDER: a marker program that writes down how a group stands. For Windows PowerShell 5.1.
# Not run by the tests: they have no Windows. weekly-report.sh, which they do run, says the same for a POSIX shell.
param([Parameter(Mandatory = $true)][string] $Folder)

$ErrorActionPreference = 'Stop'

New-Item -ItemType Directory -Path $Folder -Force | Out-Null
$report = Join-Path $Folder ('{0}-{1}.txt' -f $env:BLOCKFERRY_GROUP, $env:BLOCKFERRY_TIME.Substring(0, 10))
$now = [DateTime]::UtcNow.ToString('yyyy-MM-ddTHH:mm:ssZ')

$lines = @(
    "Group $env:BLOCKFERRY_GROUP, marker $env:BLOCKFERRY_MARKER"
    "Placed at the source: $env:BLOCKFERRY_TIME (LSN $env:BLOCKFERRY_LSN)"
    "Reached this site:    $now (attempt $env:BLOCKFERRY_ATTEMPT)"
    "Volumes:              $env:BLOCKFERRY_VOLUMES"
    ''
)
# A daemon that is too busy to answer is worth knowing too.
$lines += & blockferry status $env:BLOCKFERRY_GROUP
if ($LASTEXITCODE -ne 0) { $lines += "(no status: exit code $LASTEXITCODE)" }
$lines += '', 'Recovery points:'
$lines += & blockferry snapshot list $env:BLOCKFERRY_GROUP
if ($LASTEXITCODE -ne 0) { $lines += "(no list: exit code $LASTEXITCODE)" }

# A second attempt writes the same report again.
Set-Content -LiteralPath "$report.part" -Value $lines -Encoding UTF8
Move-Item -LiteralPath "$report.part" -Destination $report -Force
Write-Output "wrote $report"
