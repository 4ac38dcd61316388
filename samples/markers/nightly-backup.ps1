# nightly-backup.ps1 FOLDER: a marker program that keeps whole copies of a group's volumes. For Windows PowerShell 5.1.
# Not run by the tests: they have no Windows. nightly-backup.sh, which they do run, says the same for a POSIX shell,
# and lists what Blockferry tells a marker program.
#
# In the destination's configuration (samples/config/windows.yaml):
#   run: [C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe, -NoProfile, -ExecutionPolicy, Bypass, -File,
#         C:\Program Files\Blockferry\markers\nightly-backup.ps1, F:\Backup]
param([Parameter(Mandatory = $true)][string] $Folder)

$ErrorActionPreference = 'Stop'
$keep = 7 # the newest so many copies

$groupFolder = Join-Path $Folder $env:BLOCKFERRY_GROUP
# Sorts by age, whatever the clocks did; a colon cannot be in a name.
$name = '{0:D16}_{1}' -f [int64] $env:BLOCKFERRY_LSN, $env:BLOCKFERRY_TIME.Replace(':', '-')
$final = Join-Path $groupFolder $name
$part = "$final.part"

if (Test-Path -LiteralPath $final) {
    Write-Output "$final is there already (attempt $env:BLOCKFERRY_ATTEMPT)"
    exit 0
}

# What an attempt that did not end left behind.
if (Test-Path -LiteralPath $part) { Remove-Item -LiteralPath $part -Recurse -Force }
New-Item -ItemType Directory -Path $part -Force | Out-Null

foreach ($volume in $env:BLOCKFERRY_VOLUMES.Split(' ')) {
    $variable = 'BLOCKFERRY_VOLUME_' + ($volume.ToUpperInvariant() -replace '[^A-Z0-9]', '_')
    $path = [Environment]::GetEnvironmentVariable($variable)
    Write-Output "copying $volume from $path"
    Copy-Item -LiteralPath $path -Destination (Join-Path $part "$volume.raw")
}

# Only a whole copy gets the name.
Move-Item -LiteralPath $part -Destination $final
Write-Output "$final holds group $env:BLOCKFERRY_GROUP as of $env:BLOCKFERRY_TIME"

Get-ChildItem -LiteralPath $groupFolder -Directory |
    Where-Object { $_.Name -match '^\d{16}_[\dTZ.-]+$' } |
    Sort-Object Name -Descending |
    Select-Object -Skip $keep |
    ForEach-Object {
        Write-Output "removing $($_.FullName)"
        Remove-Item -LiteralPath $_.FullName -Recurse -Force
    }
