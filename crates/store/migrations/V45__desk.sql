-- A fix runs until somebody made sure of it, so a report that is only said to be fixed is among
-- those of which a clock runs.
DROP INDEX error_report_open;
CREATE INDEX error_report_running ON error_report (id)
    WHERE state IN ('triaging', 'fixing', 'fixed', 'structural', 'committed');
