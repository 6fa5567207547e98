-- Orthanc script: a stable CT or MR series is put into a queue, and a process that works the queue
-- is started. Orthanc itself neither waits nor screens. docs/howto/archive.md says how to set it up.

local QUEUE = os.getenv('DFD_ORTHANC_QUEUE')
local COMMAND = os.getenv('DFD_ORTHANC_COMMAND')
local MAKER = 'deepfakes-detector' -- Manufacturer of the results
local SCREENED = { CT = true, MR = true } -- results are SR, SEG and OT

function Initialize()
  if not QUEUE or not COMMAND then
    print('no series will be screened: set DFD_ORTHANC_QUEUE and DFD_ORTHANC_COMMAND')
  end
end

local function quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

function OnStableSeries(seriesId, tags, metadata)
  if not QUEUE or not COMMAND then
    return
  end
  -- Results of a screening must not start another one.
  if tags['Manufacturer'] == MAKER or not SCREENED[tags['Modality']] then
    return
  end
  local request = io.open(QUEUE .. '/' .. seriesId .. '.waiting', 'w')
  if not request then
    print('series ' .. seriesId .. ' is not screened: Orthanc cannot write to ' .. QUEUE)
    return
  end
  request:close()
  print('series ' .. seriesId .. ' waits to be screened')
  -- In the background. Where such a process is at work already, the new one ends at once.
  os.execute(COMMAND .. ' </dev/null >>' .. quoted(QUEUE .. '/screening.log') .. ' 2>&1 &')
end
