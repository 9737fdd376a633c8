//! Simplified Chinese.

use super::{Labels, Speech, clock, time_of, zone_of};
use crate::notice::{CauseKind, Notice, NoticeAlert, NoticeCause, NoticeRun};

pub(super) struct Chinese;

const LABELS: Labels = Labels {
    alert: "告警",
    error: "错误",
    place: "代码行",
    before: "之前",
    now: "现在",
    took: "耗时",
    at: "时间",
    held_back: "未单独发送",
    cause: "原因",
    scripts: "脚本",
    show: "查看运行",
    mute: "静音此告警",
    firing: "告警",
    ok: "恢复",
    summary: "汇总",
    test: "测试",
};

/// The script of a notice, as it is called in a sentence.
fn who(notice: &Notice) -> String {
    notice.script.as_ref().map_or_else(|| "脚本".to_owned(), |script| format!("脚本 {script} "))
}

/// What is known about a run, in brackets.
fn known(notice: &Notice, run: &NoticeRun) -> String {
    let mut parts: Vec<String> = notice.schedule.iter().map(|schedule| format!("计划 {schedule}")).collect();
    parts.extend(run.fire_time.map(|at| format!("计划时间 {}", clock(time_of(at), zone_of(notice)))));
    if run.attempt > 0 {
        parts.push(format!("第 {} 次尝试", run.attempt));
    }
    if parts.is_empty() { String::new() } else { format!("（{}）", parts.join("，")) }
}

impl Speech for Chinese {
    fn outcome(&self, status: &str) -> String {
        match status {
            "succeeded" => "运行成功",
            "failed" => "运行失败",
            "timed_out" => "运行超时",
            "out_of_fuel" => "超出计算量限制",
            "out_of_memory" => "内存不足",
            "crashed" => "崩溃",
            "cancelled" => "被取消",
            "abandoned" => "随节点丢失",
            "missed" => "错过了计划时间",
            "skipped" => "被跳过",
            "scheduled" => "尚未开始",
            "queued" => "仍在排队",
            "running" => "仍在运行",
            other => other,
        }
        .to_owned()
    }

    fn of_run(&self, notice: &Notice, run: &NoticeRun) -> String {
        format!("{}{}{}。", who(notice), self.outcome(&run.status), known(notice, run))
    }

    fn of_alert(&self, notice: &Notice, alert: &NoticeAlert) -> String {
        match &notice.script {
            Some(script) => format!("脚本 {script} 的告警“{}”触发。", alert.text),
            None => format!("告警“{}”触发。", alert.text),
        }
    }

    fn of_value(&self, notice: &Notice, now: &str, before: Option<&str>) -> String {
        let path = notice.value.as_ref().map_or("", |value| value.path.as_str());
        let path = if path.is_empty() { "结果" } else { path };
        let before = before.map_or_else(String::new, |before| format!("，之前为 {before}"));
        let of = notice.script.as_ref().map_or_else(String::new, |script| format!("脚本 {script} 的 "));
        let known = notice.run.as_ref().map_or_else(String::new, |run| known(notice, run));
        format!("{of}{path} 现在为 {now}{before}{known}。")
    }

    fn of_end(&self, notice: &Notice, alert: &NoticeAlert) -> String {
        let about = notice.script.as_ref().map_or_else(String::new, |script| format!("脚本 {script} 的"));
        let lasted = self.duration(notice.at.saturating_sub(alert.since) / 1_000);
        format!("{about}告警“{}”已结束，持续了 {lasted}。", alert.text)
    }

    fn again(&self, since: &str) -> String {
        format!("自 {since} 起仍未恢复：")
    }

    fn of_summary(&self, count: u64) -> String {
        format!("此通道达到发送上限，{count} 条消息未单独发送。")
    }

    fn of_cause(&self, cause: &NoticeCause, is_over: bool, count: u64) -> String {
        let cause = self.cause(cause);
        match is_over {
            false => format!("{count} 个告警触发，原因：{cause}。"),
            true => format!("{count} 个告警已结束，触发原因：{cause}。"),
        }
    }

    fn cause(&self, cause: &NoticeCause) -> String {
        let node =
            cause.name.as_ref().or(cause.id.as_ref()).map_or_else(|| "一个节点".into(), |name| format!("节点 {name} "));
        match cause.kind {
            CauseKind::NodeLost => format!("{node}丢失"),
            CauseKind::NodeStopped => format!("{node}交回了运行"),
            CauseKind::BlobsAway => "无法访问源代码存储".into(),
            CauseKind::NotFired => "计划未按时触发，调度器或数据库曾不可用".into(),
        }
    }

    fn of_test(&self) -> String {
        "这是 Cronbox 的测试消息：此通道可以收到消息。".to_owned()
    }

    fn quiet(&self, until: &str) -> String {
        format!("此通道已达到发送上限：之后的消息将在 {until} 汇总发送。")
    }

    fn no_script(&self) -> &'static str {
        "无脚本"
    }

    fn duration(&self, seconds: i64) -> String {
        let part = |count: i64, unit: &str| (count > 0).then(|| format!("{count} {unit}"));
        let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
        let parts = [part(days, "天"), part(hours, "小时"), part(minutes, "分钟"), part(seconds % 60, "秒")];
        let two: Vec<String> = parts.into_iter().flatten().take(2).collect();
        if two.is_empty() { "不到 1 秒".to_owned() } else { two.join(" ") }
    }

    fn labels(&self) -> &'static Labels {
        &LABELS
    }
}
